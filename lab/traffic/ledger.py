"""The ledger of what citizens were promised: an acknowledged write counts only after its line is on the disk.

A line without an answer is written before each write is sent, so that even a killed generator leaves it as unanswered.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType


class Outcome(StrEnum):
    """What is known about a write: it was sent, its answer was lost, it was answered, or it was refused."""

    SENT = "sent"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; times are seconds since 1970."""

    outcome: Outcome
    system: str
    kind: str
    client_ref: str
    content_sha256: str
    attachment_sha256: str | None
    attachment_name: str | None
    sent_at: float
    number: str | None = None
    acked_at: float | None = None
    latency_seconds: float | None = None

    def became(self, outcome: Outcome, *, number: str | None, now: float) -> Entry:
        """Return the line that says how this sent write ended."""
        latency = round(now - self.sent_at, 4)
        return replace(self, outcome=outcome, number=number, acked_at=now, latency_seconds=latency)


class Ledger:
    """Appends lines; many that wait at once share one fsync."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ledger:
        self._task = asyncio.create_task(self._commit())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        assert self._task is not None
        await self._task
        self._file.close()

    def note(self, entry: Entry) -> None:
        """Append a line without waiting for the disk: enough for a write that is only about to be sent."""
        self._file.write(_line(entry))

    async def record(self, entry: Entry) -> None:
        """Append a line and return once it is on the disk."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((_line(entry), written))
        self._wake.set()
        await written

    async def _commit(self) -> None:
        while not (self._closing and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            if not batch:
                continue
            try:
                await asyncio.to_thread(self._write, [line for line, _ in batch])
            except OSError as error:
                for _, written in batch:
                    written.set_exception(error)
                raise
            for _, written in batch:
                written.set_result(None)

    def _write(self, lines: Iterable[bytes]) -> None:
        self._file.write(b"".join(lines))
        os.fsync(self._file.fileno())


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"


def read(path: Path) -> dict[str, Entry]:
    """Return each write's last known outcome by its reference; a torn last line of a killed generator is left out."""
    last: dict[str, Entry] = {}
    rank = list(Outcome)
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            raw = json.loads(line)
            entry = Entry(**{**raw, "outcome": Outcome(raw["outcome"])})
            known = last.get(entry.client_ref)
            if known is None or rank.index(entry.outcome) > rank.index(known.outcome):
                last[entry.client_ref] = entry
    return last
