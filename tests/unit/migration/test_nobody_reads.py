"""The reader of the output goes away, or the terminal closes, in the middle of a move: real pipes and terminals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
MOVED = {"site": "target", "jobs": [False, True], "lost": []}
AT_SOURCE = {"site": "source", "jobs": [True, False], "lost": []}


def _heard() -> None:
    """Give SIGHUP its ordinary meaning: these tests may run under `nohup`, which ignores it for all its children."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def night(
    folder: Path, verb: str, act: Callable[[subprocess.Popen[bytes]], None], fds: tuple[int, int, int], **variables: str
) -> tuple[int, dict[str, Any]]:
    """Run a process until this verb, act on it, let it go on; return its exit status and what became of the world."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.night", str(folder), verb],
        cwd=ROOT,
        stdin=fds[0],
        stdout=fds[1],
        stderr=fds[2],
        env={**os.environ, "TERM": "xterm", **variables},
        start_new_session=True,
        preexec_fn=_heard,  # noqa: PLW1509  no thread of this process holds a lock that the child needs
    )
    for fd in {fd for fd in fds if fd > 2}:
        os.close(fd)
    try:
        deadline = time.monotonic() + 240
        while not (folder / "reached").exists() and process.poll() is None:
            assert time.monotonic() < deadline, f"{verb} was never reached"
            time.sleep(0.02)
        act(process)
        (folder / "go-on").touch()
        status = process.wait(timeout=240)
    finally:
        process.kill()
        process.wait()
    return status, json.loads((folder / "end.json").read_text(encoding="utf-8"))


def ended(end: dict[str, Any]) -> dict[str, Any]:
    return {name: end[name] for name in MOVED}


@pytest.mark.parametrize("verb", ["database.replicate", "traffic.hold", "database.hand_over"])
@pytest.mark.parametrize("both", [True, False], ids=["stdout-and-stderr", "stdout"])
def test_a_reader_that_goes_away_breaks_nothing_off(tmp_path: Path, verb: str, both: bool) -> None:
    reading, writing = os.pipe()
    fds = (subprocess.DEVNULL, writing, writing if both else subprocess.DEVNULL)
    status, end = night(tmp_path, verb, lambda process: os.close(reading), fds)
    assert (status, end["status"]) == (0, 0)
    assert ended(end) == MOVED


def test_a_reader_that_goes_away_does_not_hide_a_failure(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    status, end = night(
        tmp_path,
        "database.hand_over",
        lambda process: os.close(reading),
        (subprocess.DEVNULL, writing, writing),
        FAULT="yes",
    )
    assert (status, end["status"]) == (1, 1)
    assert ended(end) == AT_SOURCE


@pytest.mark.parametrize(
    ("verb", "world"),
    [("database.replicate", AT_SOURCE), ("jobs.disarm_source", AT_SOURCE), ("traffic.hold", MOVED)],
)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_is_noted_and_the_freeze_is_ended(
    tmp_path: Path, verb: str, world: dict[str, Any], number: signal.Signals
) -> None:
    fds = (subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL)
    status, end = night(tmp_path, verb, lambda process: process.send_signal(number), fds)
    assert (status, ended(end)) == (130, world)


@pytest.mark.parametrize(("verb", "world"), [("database.replicate", AT_SOURCE), ("traffic.hold", MOVED)])
def test_a_terminal_that_closes_is_a_signal_and_a_broken_output_at_once(
    tmp_path: Path, verb: str, world: dict[str, Any]
) -> None:
    master, slave = pty.openpty()

    def close(process: subprocess.Popen[bytes]) -> None:
        os.close(master)

    status, end = night(tmp_path, verb, close, (slave, slave, slave))
    assert (status, ended(end)) == (130, world)
