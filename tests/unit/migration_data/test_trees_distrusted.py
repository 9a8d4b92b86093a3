"""Movers of trees and a host that answers with malice, a program that does not end, a number that is torn."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from migration.errors import StepFailed
from migration.movers import files_listing, folder_hashes, rsync, turn_number
from migration.movers.spread import spread
from migration.movers.tree_job import TreeJob
from tests.support import liars

ENTRY = r"%s 1 8 1700000000.0 1700000000.0 644 0 0 1 1:%s\0\0%s\0"


@pytest.fixture
def job(tmp_path: Path) -> TreeJob:
    (tmp_path / "source").mkdir()
    (tmp_path / "staging").mkdir()
    return TreeJob(
        system="portal", name="x", token=1, source=str(tmp_path / "source"), become=[], staging=tmp_path / "staging"
    )


def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    """Let `find` answer with these kinds and paths."""
    said = "".join(ENTRY % (kind, number, path) for number, (kind, path) in enumerate(entries))
    liars.script(tmp_path / "liars", "find", f"printf '{said}'")
    liars.on_path(tmp_path / "liars", monkeypatch)


@pytest.mark.parametrize(
    "entries",
    [
        [("d", "/etc/cron.d")],
        [("d", "..")],
        [("d", "a"), ("d", "a/..")],
        [("d", "a"), ("d", "a/../../b")],
        [("d", "a"), ("d", "a//b")],
        [("d", ".")],
        [("l", "a"), ("d", "a/b")],
        [("f", "a"), ("f", "a/b")],
        [("f", "nowhere/b")],
    ],
    ids=str,
)
def test_a_path_that_leads_out_of_the_tree_is_not_believed(
    entries: list[tuple[str, str]], *, job: TreeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders are made here, as root, by what the source's host says."""
    answering(tmp_path, monkeypatch, ("d", ""), *entries)
    with pytest.raises(StepFailed, match="find ended well") as refused:
        files_listing.look(job, frozen=True, top=True)
    assert refused.value.code == "program-not-believed"
    assert "lies in no folder that it lists" in refused.value.why


def test_names_that_only_look_odd_are_taken(job: TreeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["-n", "...", ".x", "a ", "a /..b", r"x\ny"]
    answering(tmp_path, monkeypatch, ("d", ""), *(("d" if name == "a " else "f", name) for name in names))
    found = files_listing.look(job, frozen=True, top=True)
    assert set(found.described) == {b"", b"-n", b"...", b".x", b"a ", b"a /..b", b"x\ny"}


@pytest.mark.parametrize("said", [r"f 1\0\0a\0", r"nothing of the kind\0", r"f x 8 1.0 1.0 644 0 0 1 1:1\0\0a\0"])
def test_an_answer_that_is_none_is_said_as_that(
    said: str, *, job: TreeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liars.script(tmp_path / "liars", "find", f"printf '{said}'")
    liars.on_path(tmp_path / "liars", monkeypatch)
    with pytest.raises(StepFailed) as refused:
        files_listing.look(job, frozen=True)
    assert refused.value.code == "program-not-believed"


@pytest.mark.parametrize("said", [r"a\0\377\376\0end\0", r"a\0no hash\0end\0"])
def test_a_hash_that_is_none_is_said_as_that(
    said: str, *, job: TreeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liars.script(tmp_path / "liars", "python3", f"printf '{said}'")
    liars.on_path(tmp_path / "liars", monkeypatch)
    order = SimpleNamespace(**dict(job), workers=1)
    with pytest.raises(StepFailed, match="python3 ended well") as refused:
        folder_hashes.of_source(order)  # type: ignore[arg-type]
    assert "is no hash" in refused.value.why


def test_hashing_takes_the_names_of_a_source_a_thousand_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once would be a gigabyte at a host that serves."""
    (tmp_path / "file").write_text("x")
    taken = [0]
    before: list[int] = []

    def walk(root: bytes, onerror: object) -> object:
        for _ in range(5_000):
            taken[0] += 1
            yield root, [], [b"file"]

    class Out(io.BytesIO):
        def write(self, said: object, /) -> int:
            before.append(taken[0])
            return super().write(said)  # type: ignore[arg-type]

    out = Out()
    monkeypatch.setattr(os, "walk", walk)
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path), "2"])
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    exec(folder_hashes._SCRIPT, {})
    assert before[0] <= 1_001
    assert out.getvalue().count(b"\0") == 2 * 5_000 + 1


def test_an_rsync_that_does_not_end_when_it_is_told_to_is_killed(
    job: TreeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rsync, "_END_SECONDS", 0.2)
    monkeypatch.setattr(rsync, "_LOOK_SECONDS", 0.2)
    deaf = liars.script(tmp_path, "deaf", f"trap '' TERM\necho $$ > {tmp_path}/pid\nwhile :; do sleep 1; done")
    asked = threading.Event()

    def until() -> bool:
        asked.set()
        return (tmp_path / "pid").exists()

    ended = rsync.run(job, [str(deaf)], (), frozen=False, full=AssertionError, until=until)  # type: ignore[arg-type]
    assert (ended, asked.is_set()) == (False, True)
    pid = (tmp_path / "pid").read_text().strip()
    assert subprocess.run(["kill", "-0", pid], capture_output=True, check=False).returncode != 0


def test_work_that_takes_long_is_told_when_whoever_waits_for_it_is_to_end() -> None:
    told, begun = threading.Event(), list[int]()

    def work(number: int) -> None:
        begun.append(number)
        assert told.wait(60), "nobody said anything"

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread(range(4), work, workers=1, on_done=lambda _: None, on_tick=stop, on_break=told.set)
    assert begun == [0], "what had not begun was begun"


def test_a_number_of_a_turn_that_is_torn_lets_nobody_in(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    turn_number.note(staging, 7)
    assert turn_number.why_over(staging, 7) is None
    staging.with_name("staging.turn").write_text("")
    why = turn_number.why_over(staging, 8)
    assert why is not None
    assert "does not say which turn was the latest" in why
