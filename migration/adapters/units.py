"""Keeps movements of hours as processes of their own that outlive the orchestrator; it stops only what it started.

A unit is a folder: `lock`, `process.json` (id and beginning of the process, so that a reused id is never taken for
it), `log` (the mover's lines), `token` (the highest turn seen). Secrets go through an anonymous file in memory that is
the process's stdin: never on a command line, in the environment, or on a disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from migration.adapters import clock
from migration.errors import StepFailed, UsageError
from migration.model.words import Progress
from migration.movers import room
from migration.ports import UnitStatus

_TAIL_BYTES: Final = 65_536
_THOUGHTS: Final = ("code", "what", "why", "state", "next")
_STOP_SECONDS_MAX: Final = 10.0


class ProcessUnits:
    """The port `Units` on this machine."""

    def __init__(self, folder: Path, *, systemd: Path = Path("/run/systemd/system")) -> None:
        """`systemd` is there where systemd is this machine's first process: sd_booted(3)."""
        self._folder, self._systemd = folder, systemd

    def start(self, name: str, argv: Sequence[str], *, secrets: Mapping[str, str], token: int) -> None:
        folder = self._of(name)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder):
                _take_turn(folder, name, token)
                if _alive(folder) is None:
                    _begin(folder, name, [*self._scope(name), *argv], secrets)
        except OSError as refused:
            if not room.is_full(refused):
                raise
            raise room.missing(folder, doing=f"the start of the mover {name}") from refused

    def status(self, name: str) -> UnitStatus:
        folder = self._of(name)
        if not (folder / "process.json").exists():
            return UnitStatus("absent", None, None)
        # Life first, words second: a unit that ends in between has then said its last word.
        alive = _alive(folder) is not None
        progress, result, error, noise = _words(folder / "log")
        if alive:
            return UnitStatus("running", progress, None)
        if result is not None:
            return UnitStatus("done", progress, result)
        return UnitStatus("failed", progress, None, StepFailed(**error) if error else _silent(name, folder, noise))

    def stop(self, name: str) -> None:
        folder = self._of(name)
        if not folder.exists():
            return
        with _locked(folder):
            process = _alive(folder)
            if process is not None:
                _end(process, name)
            (folder / "process.json").unlink(missing_ok=True)

    def _scope(self, name: str) -> list[str]:
        """Where systemd rules, a scope of its own keeps the unit alive when the orchestrator's service is stopped."""
        if not self._systemd.is_dir() or not shutil.which("systemd-run"):
            return []
        own = f"--unit=dcshift-{name}-{os.getpid()}-{time.time_ns()}"
        return ["systemd-run", "--scope", "--quiet", "--collect", own]

    def _of(self, name: str) -> Path:
        if not name.replace("-", "").isalnum():
            raise ValueError(f"not a unit's name: {name!r}")
        return self._folder / name


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _take_turn(folder: Path, name: str, token: int) -> None:
    file = folder / "token"
    highest = int(file.read_text()) if file.exists() else 0
    if token < highest:
        raise StepFailed(
            "turn-over",
            what=f"the unit {name} was not started",
            why=f"turn {token} is over: turn {highest} has begun",
            state="nothing was changed",
            next="let the orchestrator that holds the later turn go on",
        )
    _write(file, str(token))


def _begin(folder: Path, name: str, argv: Sequence[str], secrets: Mapping[str, str]) -> None:
    launched = _launch(folder, name, argv, secrets)
    try:
        _write(folder / "process.json", json.dumps(launched))
    except OSError:
        # A unit that nobody can find again must not go on.
        _end(psutil.Process(launched["pid"]), name)
        raise


def _launch(folder: Path, name: str, argv: Sequence[str], secrets: Mapping[str, str]) -> dict[str, Any]:
    memory = os.memfd_create(f"dcshift-{name}")
    try:
        os.write(memory, json.dumps(dict(secrets)).encode())
        os.lseek(memory, 0, os.SEEK_SET)
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            started = subprocess.Popen(argv, stdin=memory, stdout=log, stderr=log, start_new_session=True, cwd="/")
        except OSError as refused:
            raise UsageError(
                "unit-not-started",
                what=f"the unit {name} could not be started",
                why=str(refused),
                state="nothing was changed",
                next="dcshift doctor",
            ) from refused
        finally:
            os.close(log)
    finally:
        os.close(memory)
    return {"pid": started.pid, "boot": clock.boot(), "began": clock.began(started.pid)}


def _alive(folder: Path) -> psutil.Process | None:
    try:
        known = json.loads((folder / "process.json").read_text())
        process = psutil.Process(int(known["pid"]))
        now = clock.began(process.pid)  # after it was taken: it is not another one since
        if now is None or (known["boot"], known["began"]) != (clock.boot(), now):
            return None
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
    return process


def _end(process: psutil.Process, name: str) -> None:
    """End the process and what it started, gently first."""
    everyone = [process, *process.children(recursive=True)]
    for one in everyone:
        _signal(one, signal.SIGTERM)
    _, left = psutil.wait_procs(everyone, timeout=_STOP_SECONDS_MAX)
    for one in left:
        _signal(one, signal.SIGKILL)
    _, left = psutil.wait_procs(left, timeout=_STOP_SECONDS_MAX)
    if left:
        raise StepFailed(
            "unit-not-stopped",
            what=f"the unit {name} did not end",
            why=f"process {left[0].pid} is still there after SIGKILL",
            state="it may still carry bytes",
            next=f"look at process {left[0].pid}",
        )


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _silent(name: str, folder: Path, noise: str) -> StepFailed:
    """Return the error of a unit that did not say its own."""
    return StepFailed(
        "mover-failed",
        what=f"the mover {name} ended without a result",
        why=noise or f"it ended without a word; its log is {folder / 'log'}; {room.left(folder)}",
        state="the source serves; the copy is incomplete and begins again on the next run",
        next="mend the cause, then dcshift run",
    )


def _words(log: Path) -> tuple[Progress | None, dict[str, Any] | None, dict[str, str] | None, str]:
    """Read progress, result and error from the end of a log, and what came last that is none of them."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None, None, None, ""
    progress, result, error = None, None, None
    noise: list[str] = []
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            noise.append(line)
            continue
        if not isinstance(said, dict):
            continue
        if isinstance(said.get("progress"), dict):
            p = said["progress"]
            progress = Progress(
                str(p["what"]), int(p["done"]), p.get("total"), str(p["unit"]), p.get("rate_per_second"),
                p.get("seconds_left"), p.get("waits"), p.get("rows_done"),
            )  # fmt: skip
        result = said["result"] if isinstance(said.get("result"), dict) else None
        if isinstance(said.get("error"), dict):
            error = {thought: str(said["error"].get(thought, "it did not say")) for thought in _THOUGHTS}
    return progress, result, error, "\n".join(noise[-8:])[-1_000:]


def _write(file: Path, text: str) -> None:
    """Write so that a reader sees the old or the new text, whatever happens in between."""
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)
