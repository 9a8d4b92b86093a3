"""Asks the host of the files how busy it is: the kernel's own mean of a minute, our own reading in it."""

from __future__ import annotations

import os
import re
from typing import Final

from migration.errors import MigrationError
from migration.movers import programs
from migration.movers.limits import Limits, Reading, Unread
from migration.movers.tree_job import TreeJob

_COMMAND: Final = ["cat", "/proc/loadavg"]
_SECONDS_MAX: Final = 10.0
# Of one, five and fifteen minutes, then what runs of all there is, then the last process: proc(5).
_LOAD: Final = re.compile(r"(\d+\.\d+) \d+\.\d+ \d+\.\d+ \d+/\d+ \d+\n")


class HostLoad:
    """The source of a copy of files."""

    every_seconds = 5.0
    """The kernel counts no more often."""

    def __init__(self, job: TreeJob) -> None:
        self._job = job
        self.name = f"{job.system}/{job.name}"

    def concerned(self, wanted: Limits) -> Limits:
        return Limits(wait_load=wanted.wait_load, stop_load=wanted.stop_load)

    def read(self) -> Reading | Unread:
        argv = [*self._job.reach, " ".join(_COMMAND)] if self._job.reach else _COMMAND
        try:
            said = programs.run(argv, dict(os.environ), doing="asking for the load", timeout_seconds=_SECONDS_MAX)
        except MigrationError as failure:
            return Unread(failure.why.splitlines()[-1])
        except OSError as failure:
            return Unread(str(failure))
        found = _LOAD.fullmatch(said)
        return Reading(float(found[1])) if found else Unread(f"{_COMMAND[1]} said {said[:60]!r}")

    def let_go(self) -> str:
        return "nothing of ours is left there"

    def close(self) -> None:
        """Nothing is open."""
