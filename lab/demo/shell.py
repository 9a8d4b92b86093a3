"""Runs commands as a person would type them, showing their last line while they run; it keeps their whole output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.paths import CHECKOUT

LOGS = CHECKOUT / "build" / "demo" / "logs"
_OF_A_CENTRE = frozenset(f"DCSHIFT_{name}" for name in ("INVENTORY", "CATALOGUE", "STATE", "CA", "S3_CREDENTIALS"))
_OF_OTHER_PROGRAMS = ("KUBE", "PULUMI_", "AWS_", "ANSIBLE_", "PG")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended; `killed` if it was we who did that."""

    returncode: int
    stdout: str
    log: Path
    killed: bool

    def json(self) -> dict[str, object]:
        """Return its last JSON document on stdout; raises `LabError` when there is none."""
        for text in (self.stdout, *reversed(self.stdout.splitlines())):
            with contextlib.suppress(json.JSONDecodeError):
                parsed = json.loads(text)
                if isinstance(parsed, dict):
                    return parsed
        raise LabError(
            "no-json",
            what="a command printed no JSON document",
            why=self.stdout[-500:] or "it printed nothing",
            state=f"it exited with {self.returncode}",
            next=f"read {self.log}",
        )


def run(
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
    timeout_seconds: float = 900.0,
    allowed: Sequence[int] = (0,),
    kill_when: Callable[[], bool] | None = None,
    talks: bool = False,
) -> Ended:
    """Run a command from the checkout, its venv first on PATH.

    Lines on stderr (with `talks`, on stdout too) are shown by `say`; all are kept in build/demo/logs/<name>.log. With
    `kill_when`, the command gets SIGKILL as soon as that answers true. Raises `LabError` for another exit status than
    those `allowed`.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    stdout: list[str] = []
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=CHECKOUT,
            env=environment() | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

        def drain(stream: object, sink: list[str] | None) -> None:
            for line in stream:  # type: ignore[attr-defined]
                file.write(line)
                file.flush()
                if sink is not None:
                    sink.append(line)
                if say and line.strip() and (sink is None or talks):
                    say(line.strip()[:120])

        readers = [
            threading.Thread(target=drain, args=(process.stdout, stdout), daemon=True),
            threading.Thread(target=drain, args=(process.stderr, None), daemon=True),
        ]
        for reader in readers:
            reader.start()
        killed = _wait(process, name, timeout_seconds, kill_when)
        for reader in readers:
            reader.join(timeout=10)
    ended = Ended(process.returncode, "".join(stdout), log, killed)
    if not killed and ended.returncode not in allowed:
        raise LabError(
            "demo-command-failed",
            what=f"{name} exited with {ended.returncode}",
            why=log.read_text(encoding="utf-8")[-3000:].strip() or "it said nothing",
            state="both data centres were left as they are, for you to look at",
            next=f"read {log}; make lab-down removes the lab",
        )
    return ended


def names_another_centre(variable: str) -> bool:
    """Say whether a variable could lead a program of the lab to another cluster, store, host or state."""
    return variable in _OF_A_CENTRE or variable.startswith(_OF_OTHER_PROGRAMS)


def environment() -> dict[str, str]:
    """Return our environment without what names another centre, and with the venv's programs first on PATH."""
    kept = {name: value for name, value in os.environ.items() if not names_another_centre(name)}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


def _wait(
    process: subprocess.Popen[str], name: str, timeout_seconds: float, kill_when: Callable[[], bool] | None
) -> bool:
    deadline = time.monotonic() + timeout_seconds
    try:
        while process.poll() is None:
            if kill_when and kill_when():
                # The command alone, not its group: what outlives an orchestrator must outlive this too.
                process.kill()
                process.wait(timeout=30)
                return True
            if time.monotonic() > deadline:
                raise LabError(
                    "demo-command-too-slow",
                    what=f"{name} did not end in {timeout_seconds:.0f} s",
                    why="see its log",
                    state="it was killed",
                    next=f"read {LOGS / (name + '.log')}",
                )
            time.sleep(0.02 if kill_when else 0.1)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return False
