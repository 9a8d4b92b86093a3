"""Asks a database's server how busy it is, over one session of ours; counts alone, never what others do there."""

from __future__ import annotations

import time
from typing import Final

import psycopg

from migration.errors import MigrationError
from migration.movers import link, stream
from migration.movers.job import PostgresJob
from migration.movers.limits import Limits, Mean, Reading, Unread
from migration.movers.link import Connection

_STATEMENT_SECONDS_MAX: Final = 5.0
# Our own views show neither others' sessions nor where their replicas are: the function counts them for us.
_QUERY: Final = """
SELECT s.at_work, s.replica, s.replica_lag_bytes, (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
    FROM pg_replication_slots WHERE slot_name = %s) FROM dcshift.source_load() s
"""


class DatabaseLoad:
    """The source of a copy of a database."""

    every_seconds = 1.0

    def __init__(self, job: PostgresJob, *, program: str | None = None) -> None:
        self._job, self._program = job, program or job.program
        self.name = job.system
        self._connection: Connection | None = None
        self._mean = Mean()

    def concerned(self, wanted: Limits) -> Limits:
        return wanted

    def read(self) -> Reading | Unread:
        try:
            if self._connection is None:
                self._connection = self._connect()
            at_work, replica, lag, log = link.rows(self._connection, _QUERY, (self._job.name,))[0]
        except psycopg.Error as failure:
            self.close()
            return Unread((str(failure).strip() or type(failure).__name__).splitlines()[0])
        return Reading(self._mean.of(int(at_work), time.monotonic()), replica, lag, log)

    def let_go(self) -> str:
        """Drop the slot: without it the source throws away the log that it kept for us."""
        try:
            with self._connect() as connection:
                # Who comes after us may have made a slot of the same name.
                link.rows(connection, "SELECT dcshift.take_turn(%s)", (self._job.token,))
                stream.drop_slot(connection, self._job.name)
                left = stream.lag(connection, self._job.name)
        except (psycopg.Error, MigrationError) as failure:
            return (
                f"the slot {self._job.name} could not be dropped ({str(failure).strip()[:200]}): it keeps the source's "
                "log until the step is undone"
            )
        if left is not None:
            return f"the slot {self._job.name} is still there and keeps the source's log until the step is undone"
        return "its slot is gone, so it keeps no log for us; the copy is incomplete"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._mean = Mean()

    def _connect(self) -> Connection:
        return link.connect(
            self._job.source,
            program=self._program,
            statement_seconds=_STATEMENT_SECONDS_MAX,
            silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX,
        )
