"""Start, watch and stop the target's long-running programs by pid; it never looks for a program by its name.

A pid file holds the pid and the start time of the process, so that a pid that the kernel gave to another program since
is never taken for ours. Each program leads a session of its own: what it started ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.target.layout import LOGS, PROCESSES

# The loop that keeps a supervised program running; it ends with its child on SIGTERM.
_SUPERVISOR: Final = (
    'trap \'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 0\' TERM\n'
    'while :; do "$@" & child=$!; wait "$child"; echo "ended with $?, starting it again"; sleep 0.5; done'
)
_children: dict[str, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Daemon:
    """One long-running program: its name in logs and pid files, how it starts, how long it may take to end."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    supervised: bool = False


def start(daemon: Daemon) -> None:
    """Start a program detached from this one, unless it already runs; its output goes to `logs/<name>.log`."""
    if alive(daemon.name):
        return
    for folder in (LOGS, PROCESSES):
        folder.mkdir(parents=True, exist_ok=True)
    argv = ["/bin/sh", "-c", _SUPERVISOR, daemon.name, *daemon.argv] if daemon.supervised else list(daemon.argv)
    with (LOGS / f"{daemon.name}.log").open("ab") as log:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **daemon.env},
            cwd="/",
        )
    _children[daemon.name] = child
    (PROCESSES / f"{daemon.name}.pid").write_text(f"{child.pid} {_started(child.pid)}\n")


def alive(name: str) -> bool:
    """Return whether the program of this name runs (a zombie does not)."""
    return _pid(name) is not None


def names() -> list[str]:
    """Return the names of all programs that have a pid file, running or not."""
    return sorted(path.stem for path in PROCESSES.glob("*.pid")) if PROCESSES.is_dir() else []


def stop(name: str, grace_seconds: float = 5.0) -> None:
    """End a program and all that it started: SIGTERM, after `grace_seconds` SIGKILL. Returns when all are really gone.

    What outlived a leader that somebody killed is ended too.
    """
    group = _group(name)
    if group is not None:
        _signal_group(group, signal.SIGTERM)
        if not _gone(group, grace_seconds):
            _signal_group(group, signal.SIGKILL)
            if not _gone(group, 10.0):
                raise LabError(
                    "process-stuck",
                    what=f"{name} (process group {group}) does not end",
                    why="it ignores SIGKILL, so it waits inside the kernel",
                    state="the other parts of the lab are as they were",
                    next=f"ps -g {group} shows it; then run the same command again",
                )
    child = _children.pop(name, None)
    if child is not None:
        child.poll()
    (PROCESSES / f"{name}.pid").unlink(missing_ok=True)


def wait_until(what: str, check: Callable[[], bool], limit_seconds: float, pause_seconds: float = 0.1) -> None:
    """Return as soon as `check` says so; raise `LabError` naming `what` after `limit_seconds`."""
    end = time.monotonic() + limit_seconds
    while not check():
        if time.monotonic() > end:
            raise LabError(
                "not-ready",
                what=f"{what} did not come about in {limit_seconds:.0f} s",
                why=f"the logs in {LOGS} say more",
                state="the target is half up",
                next="python -m lab.target down, then up again",
            )
        time.sleep(pause_seconds)


def log_tail(name: str, lines: int = 8) -> str:
    """Return the last lines that a program wrote."""
    path = LOGS / f"{name}.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "it wrote nothing"


def _pid(name: str) -> int | None:
    child = _children.get(name)
    if child is not None:
        child.poll()  # reaps it if it has ended
    recorded = _recorded(name)
    return recorded[0] if recorded and _started(recorded[0]) == recorded[1] else None


def _group(name: str) -> int | None:
    """Return the process group of a program, led by it or left by it; None if its number is another program's now.

    The kernel gives a number to no new process while a group still has it.
    """
    recorded = _recorded(name)
    if recorded is None:
        return None
    started = _started(recorded[0])
    return recorded[0] if started in (None, recorded[1]) else None


def _recorded(name: str) -> tuple[int, str] | None:
    try:
        pid, started = (PROCESSES / f"{name}.pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid), started


def _started(pid: int) -> str | None:
    """Return the kernel's start time of a process; None if there is none or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _gone(group: int, limit_seconds: float) -> bool:
    end = time.monotonic() + limit_seconds
    while True:
        for child in _children.values():
            child.poll()
        if not _members(group):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)


def _members(group: int) -> list[int]:
    """Return the pids of a process group that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found
