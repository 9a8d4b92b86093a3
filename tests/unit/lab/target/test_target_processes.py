"""Long-running programs: started once, stopped with all of their session, never mistaken for another's pid."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.target import processes
from lab.target.processes import Daemon, alive, names, start, stop, wait_until

LONG = 120.0
"""Seconds in which all of this comes about on any machine."""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(processes, "PROCESSES", tmp_path / "run")
    yield tmp_path
    for name in names():
        stop(name, grace_seconds=0.5)


def pid_of(folder: Path, name: str) -> int:
    return int((folder / "run" / f"{name}.pid").read_text().split()[0])


def test_a_program_starts_once_and_its_output_is_kept(own_folders: Path) -> None:
    daemon = Daemon("echo", ("sh", "-c", "echo here; exec sleep 600"))
    start(daemon)
    first = pid_of(own_folders, "echo")
    start(daemon)
    assert pid_of(own_folders, "echo") == first and alive("echo")
    wait_until("its output", lambda: processes.log_tail("echo") == "here", LONG)


def test_stopping_ends_the_children_too(own_folders: Path) -> None:
    start(Daemon("parent", ("sh", "-c", "sleep 600 & echo $!; wait")))
    wait_until("the child", lambda: processes.log_tail("parent").isdigit(), LONG)
    child = int(processes.log_tail("parent"))
    stop("parent", grace_seconds=LONG)
    assert not alive("parent") and names() == []
    wait_until("the child's end", lambda: not running(child), LONG)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_program_that_ignores_the_request_is_killed() -> None:
    start(Daemon("stubborn", ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")))
    wait_until("its trap", lambda: processes.log_tail("stubborn") == "up", LONG)
    stop("stubborn", grace_seconds=0.3)
    assert not alive("stubborn")


def test_a_supervised_program_is_started_again_and_ends_when_told(own_folders: Path) -> None:
    start(Daemon("watched", ("sh", "-c", "echo $$; exec sleep 600"), supervised=True))
    wait_until("its first start", lambda: processes.log_tail("watched").isdigit(), LONG)
    first = int(processes.log_tail("watched"))
    os.kill(first, 9)
    wait_until("its second start", lambda: processes.log_tail("watched", 1) not in ("", str(first)), LONG)
    wait_until("its second pid", lambda: processes.log_tail("watched", 1).isdigit(), LONG)
    second = int(processes.log_tail("watched", 1))
    stop("watched", grace_seconds=LONG)
    wait_until("its end", lambda: not running(second), LONG)


def test_what_outlived_its_killed_leader_is_ended_too(own_folders: Path) -> None:
    start(Daemon("watched", ("sh", "-c", "echo $$; exec sleep 600"), supervised=True))
    wait_until("its start", lambda: processes.log_tail("watched").isdigit(), LONG)
    program = int(processes.log_tail("watched"))
    os.kill(pid_of(own_folders, "watched"), 9)
    wait_until("the leader's end", lambda: not alive("watched"), LONG)
    assert running(program)
    stop("watched", grace_seconds=LONG)
    assert not running(program)


def test_a_pid_that_another_program_has_now_is_not_ours(own_folders: Path) -> None:
    (own_folders / "run").mkdir()
    (own_folders / "run" / "gone.pid").write_text(f"{os.getpid()} 1\n")
    assert not alive("gone")
    stop("gone")
    assert names() == []


def test_a_wait_has_an_end_and_says_for_what() -> None:
    with pytest.raises(LabError, match="a miracle") as caught:
        wait_until("a miracle", lambda: False, 0.2)
    assert caught.value.code == "not-ready"
