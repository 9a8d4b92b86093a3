"""The ledger keeps what citizens were promised through the death of the generator that wrote it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from lab.traffic.ledger import Entry, Ledger, Outcome, read


def sent(reference: str) -> Entry:
    return Entry(Outcome.SENT, "portal", "dossier", reference, "hash", None, None, sent_at=10.0)


def test_the_last_known_outcome_wins(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "ledger.jsonl"

    async def write() -> None:
        async with Ledger(path) as ledger:
            for reference, outcome in (("a", Outcome.ACKNOWLEDGED), ("b", Outcome.AMBIGUOUS), ("c", None)):
                ledger.note(sent(reference))
                if outcome is not None:
                    await ledger.record(sent(reference).became(outcome, number="1", now=12.5))

    asyncio.run(write())
    entries = read(path)
    assert {key: entry.outcome for key, entry in entries.items()} == {
        "a": Outcome.ACKNOWLEDGED,
        "b": Outcome.AMBIGUOUS,
        "c": Outcome.SENT,
    }
    assert entries["a"].latency_seconds == 2.5


def test_a_line_torn_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    async def write() -> None:
        async with Ledger(path) as ledger:
            await ledger.record(sent("a").became(Outcome.ACKNOWLEDGED, number="1", now=11.0))

    asyncio.run(write())
    path.write_bytes(path.read_bytes() + b'{"outcome": "acknow')
    assert list(read(path)) == ["a"]


def test_an_acknowledgement_waits_for_the_disk_and_many_share_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "ledger.jsonl", list[int]()
    real = os.fsync

    def counting(descriptor: int) -> None:
        synced.append(path.stat().st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", counting)

    async def write() -> None:
        async with Ledger(path) as ledger:
            entries = [sent(str(number)).became(Outcome.ACKNOWLEDGED, number="1", now=11.0) for number in range(50)]
            await asyncio.gather(*(ledger.record(entry) for entry in entries))
            assert synced[-1] == path.stat().st_size

    asyncio.run(write())
    assert len(read(path)) == 50
    assert 1 <= len(synced) < 10
