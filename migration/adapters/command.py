"""The adapters' only way to start a program: no shell, no hidden failure, no secret on a command line."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from migration.errors import StepFailed

_KEPT_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished program said."""

    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    input: str | None = None,
    timeout_seconds: float = 60.0,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end, with exactly `env` when given.

    Raises `StepFailed` when it is missing, exceeds its time, or (with `check`) exits non-zero.
    """
    words = [str(word) for word in argv]
    try:
        finished = subprocess.run(
            words,
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            env=dict(env) if env is not None else None,
            # A person's Ctrl-C is meant for us: a command that died of it would look like a failed step.
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as missing:
        raise StepFailed(
            "program-missing",
            what=f"{words[0]} could not be started",
            why=str(missing),
            state="the command did not run",
            next="dcshift doctor   says what this machine lacks",
        ) from missing
    except subprocess.TimeoutExpired as late:
        raise StepFailed(
            "program-too-slow",
            what=f"{words[0]} did not finish in {timeout_seconds:.0f} s",
            why=f"command: {' '.join(words)[:300]}",
            state="it was killed; its effect is unknown until it is read again",
            next="dcshift run   probes the step first and goes on",
        ) from late
    completed = Completed(finished.returncode, finished.stdout, finished.stderr)
    if check and completed.returncode != 0:
        said = completed.stderr.strip() or completed.stdout.strip() or "it said nothing"
        raise StepFailed(
            "program-failed",
            what=f"{words[0]} exited with {completed.returncode}",
            why=said[-_KEPT_CHARACTERS:],
            state=f"command: {' '.join(words)[:500]}",
            next="mend the cause, then: dcshift run",
        )
    return completed


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    stderr: int | None = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a program in a session of its own with pipes to talk through; the caller ends it in a `finally`."""
    return subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
        bufsize=1,
        env=dict(env),
        start_new_session=True,
    )
