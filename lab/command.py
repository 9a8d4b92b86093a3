"""The lab's only way to run a program to its end; it hides no failure and puts no secret on a command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_STDERR_TAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished program said."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    input: str | None = None,
    timeout_seconds: float = 600.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end.

    `env` is added to the current environment. Raises `LabError` when the program is missing, exceeds its time, or
    (with `check`) exits non-zero.
    """
    words = tuple(str(word) for word in argv)
    try:
        finished = subprocess.run(
            words,
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as missing:
        raise LabError(
            "program-missing",
            what=f"{words[0]} could not be started",
            why=str(missing),
            state="the command did not run",
            next="make setup   (dcshift doctor says what is missing)",
        ) from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(
            "program-too-slow",
            what=f"{words[0]} did not finish in {timeout_seconds:.0f} s",
            why=f"command: {' '.join(words)[:300]}",
            state="it was killed; its effect is unknown",
            next="look at the machine's load, then run the same command again",
        ) from late
    completed = Completed(words, finished.returncode, finished.stdout, finished.stderr)
    if check and completed.returncode != 0:
        raise LabError(
            "program-failed",
            what=f"{words[0]} exited with {completed.returncode}",
            why=(completed.stderr.strip() or completed.stdout.strip())[-_STDERR_TAIL_CHARACTERS:] or "it said nothing",
            state=f"command: {' '.join(words)[:500]}",
            next="mend the cause, then run the same command again",
        )
    return completed
