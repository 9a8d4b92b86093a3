"""Runs PostgreSQL's and rsync's programs for the movers; they die with us, and no secret is on a command line."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from migration.errors import StepFailed

_STDERR_TAIL_CHARACTERS = 2_000
# A mover that is killed must not leave a program behind that goes on writing.
_DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


def failed(program: str, returncode: int, stderr: str, *, doing: str) -> StepFailed:
    """Return the error of a program that did not succeed."""
    return StepFailed(
        "mover-program-failed",
        what=f"{doing} failed: {program} exited with {returncode}",
        why=stderr.strip()[-_STDERR_TAIL_CHARACTERS:] or "it said nothing",
        state="the source was only read; the copy is incomplete and begins again on the next run",
        next="mend the cause, then dcshift run",
    )


def unbelieved(program: str, why: str, *, doing: str) -> StepFailed:
    """Return the error of a program that says it succeeded and shows nothing of it."""
    return StepFailed(
        "program-not-believed",
        what=f"{doing} counts as not done: {program} ended well and shows no work",
        why=why,
        state="the source was only read; what was copied before stays, and the step is not done",
        next=f"look at which {program.partition(' ')[0]} this is (`type -a`), then dcshift run",
    )


def begin(
    argv: Sequence[str], environment: Mapping[str, str], *, stdin: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Start a program with both outputs piped.

    It gets a session of its own: a person's Ctrl-C is meant for us, and we decide what it ends.
    """
    return subprocess.Popen(
        [*_DIE_WITH_US, *argv],
        env=dict(environment),
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


class Stopped(Exception):  # noqa: N818 (no error of its own: the brake knows why)
    """Something was not begun because the brake had been pulled."""


class Brake:
    """Ends at once whatever is at work for one mover: its programs, and the statements of its sessions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[object, Callable[[], object]] = {}
        self._why: BaseException | None = None

    @property
    def why(self) -> BaseException | None:
        """What it was pulled for first, or None."""
        return self._why

    @contextlib.contextmanager
    def hold(self, stop: Callable[[], object]) -> Iterator[None]:
        """Have `stop` called when the brake is pulled; raises `Stopped`, after calling it, if it was already."""
        key = object()
        with self._lock:
            pulled = self._why is not None
            if not pulled:
                self._stops[key] = stop
        if pulled:
            stop()
            raise Stopped
        try:
            yield
        finally:
            with self._lock:
                self._stops.pop(key, None)

    def pull(self, why: BaseException) -> None:
        """Stop everything; only the first reason counts, because what follows fails for having been stopped."""
        with self._lock:
            if self._why is not None:
                return
            self._why = why
            stops = list(self._stops.values())
        for stop in stops:
            with contextlib.suppress(Exception):  # what has just ended needs no stopping
                stop()


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    doing: str,
    timeout_seconds: float,
    brake: Brake | None = None,
) -> str:
    """Run a program to its end and return its stdout as text; raises `StepFailed` with its stderr."""
    out = run_raw(argv, environment, doing=doing, timeout_seconds=timeout_seconds, brake=brake)
    return out.decode(errors="replace")


def run_raw(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    doing: str,
    timeout_seconds: float,
    brake: Brake | None = None,
    stdin: IO[bytes] | None = None,
) -> bytes:
    """Run a program to its end and return its stdout byte for byte; raises `StepFailed` with its stderr."""
    process = begin(argv, environment, stdin=stdin)
    try:
        with (brake or Brake()).hold(process.kill):
            out, err = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise failed(argv[0], -9, f"it did not finish in {timeout_seconds:.0f} s", doing=doing) from None
    except Stopped:
        process.communicate()
        raise
    if process.returncode != 0:
        raise failed(argv[0], process.returncode, err.decode(errors="replace"), doing=doing)
    return out
