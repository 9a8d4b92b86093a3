"""Runs rsync for the movers of trees: within people's limits, and never without end; it decides about no file."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from migration.errors import StepFailed
from migration.movers import programs
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle
from migration.movers.tree_job import TreeJob

_VANISHED = 24
_LOOK_SECONDS = 1.0
_END_SECONDS = 10.0
"""How long it may take to end when it is told to."""
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
Full = Callable[[str], StepFailed]
"""Makes the error of a target that has no room, from what rsync said."""


def words(job: TreeJob, options: Sequence[str], target: Path) -> list[str]:
    """Return the command line that brings the job's source into a folder of this machine."""
    # Files of one network: comparing blocks costs more than sending them. Names go as they are, not through a shell.
    # By itself it takes two files of one size and one second for the same, whatever part of the second.
    argv = ["env", "TZ=UTC", "rsync", "--modify-window=-1"]
    argv += ["--whole-file", "--protect-args", "--timeout=120", *options]
    source = f"{job.source.rstrip('/')}/"
    if job.reach:
        *reach, destination = job.reach
        argv += ["--rsh", shlex.join(reach), "--rsync-path", shlex.join([*job.become, "rsync"])]
        source = f"{destination}:{source}"
    return [*argv, "--", source, f"{target}/"]


def said(job: TreeJob, options: Sequence[str], target: Path, *, doing: str) -> str:
    """Run rsync to its end and return what it says; raises `StepFailed`."""
    argv = words(job, options, target)
    return programs.run(argv, dict(os.environ), doing=doing, timeout_seconds=job.pull_seconds_max)


def paced(begin: Callable[[int | None, Callable[[], bool]], bool], throttle: Throttle, sparing: Sparing | None) -> None:
    """Let rsync run at the speed that people want now, until it comes to its end.

    It keeps the speed that it began with, so at another one it begins again at the file where it was, and so it does
    after it has rested. `begin` is given that speed and what says when to end it.
    """
    while True:
        if sparing is not None:
            sparing.hold()
        rate = throttle.rate()

        def is_to_end(began_with: int | None = rate) -> bool:
            return throttle.rate() != began_with or (sparing is not None and sparing.must_rest())

        if begin(rate, is_to_end):
            return


def run(
    job: TreeJob,
    argv: Sequence[str],
    paths: Iterable[bytes],
    *,
    frozen: bool,
    full: Full,
    until: Callable[[], bool] = lambda: False,
) -> bool:
    """Run rsync to its end, or until somebody wants it otherwise; return whether it came to its end.

    `paths` is what `--files-from=-` reads. While the source is in use files may vanish between listing and reading;
    under the freeze that is an error. Whatever `until` raises ends rsync, too.
    """
    # No pipe: what is not read yet must not depend on our looking elsewhere. No disk: a full one breaks no freeze.
    with os.fdopen(os.memfd_create("files-from"), "w+b") as named:
        named.writelines(path + b"\0" for path in paths)
        named.seek(0)
        process = programs.begin(argv, dict(os.environ), stdin=named)
    end = time.monotonic() + job.pull_seconds_max
    try:
        while True:
            try:
                _, error = process.communicate(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if until():
                    process.terminate()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.communicate(timeout=_END_SECONDS)
                    return False
                if time.monotonic() > end:
                    why = "it did not finish in time"
                    raise programs.failed("rsync", -9, why, doing="reading the files") from None
    finally:
        # All of its processes: the one that writes is not the one that we started.
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    text = error.decode(errors="replace")
    if process.returncode == 0 or (process.returncode == _VANISHED and not frozen):
        return True
    if _NO_SPACE.search(text):
        raise full(text.strip()[-400:])
    raise programs.failed("rsync", process.returncode, text, doing=f"reading the files of {job.system}/{job.name}")
