"""Spares a source while it serves and is compared: the limits that people set for a copy hold between its tables, too.

In a freeze nobody is asked: citizens wait for its end. One table is read in one go, whatever the limits say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from migration.adapters.postgres import PROGRAM
from migration.movers.database_load import DatabaseLoad
from migration.movers.job import PostgresJob
from migration.movers.limits import Limits
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle
from migration.verification.rows import Between


class _Compared(DatabaseLoad):
    """The source of a comparison, which keeps no slot of its own there."""

    def concerned(self, wanted: Limits) -> Limits:
        # The log that a slot keeps is the stream's, and the stream goes on meanwhile.
        return replace(wanted, stop_log_bytes=None)

    def let_go(self) -> str:
        return "only the comparison was given up; the target goes on following"


@contextmanager
def unhurried(job: PostgresJob) -> Iterator[Between]:
    """Yield what waits between tables while the source is busy, and for the bytes a second that people allow.

    Raises `StepFailed` (source-spared) where people want a comparison of a busy source to end.
    """
    with Sparing(job.source_limits_file, _Compared(job, program=PROGRAM)) as sparing, sparing.reading():
        throttle = Throttle(job.limit_file, sparing=sparing)
        yield throttle.take
