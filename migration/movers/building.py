"""How our sessions on the target are set that build indexes and check constraints: their memory, and that they end.

It asks for no more memory than is stated here, whatever the server's own settings allow.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.job import PostgresJob
from migration.movers.link import Connection
from migration.movers.programs import Brake

MEMORY_BYTES_MIN: Final = 64 * 2**20
"""PostgreSQL's own default of `maintenance_work_mem`."""
MEMORY_BYTES_MAX: Final = 2**30
_SHARED = "SELECT pg_size_bytes(current_setting('shared_buffers'))"
_LOCK_MILLISECONDS: Final = 60_000
_ALONE_MILLISECONDS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Building:
    """What one session may have while `slots` of them are at work."""

    memory_bytes: int
    asks_for_us: bool
    """The server itself asks whether we are still there: from 14 on."""

    def settings(self, helpers: int = 0) -> dict[str, str]:
        """Return the settings of a session; `helpers` processes may help it, within the same memory."""
        found = {
            "statement_timeout": "0",
            "lock_timeout": str(_LOCK_MILLISECONDS),
            "synchronous_commit": "off",
            "maintenance_work_mem": f"{self.memory_bytes // 1024}kB",
            "max_parallel_maintenance_workers": str(helpers),
        }
        if self.asks_for_us:
            # Who builds an index looks at nobody: without this it would go on for hours after our end.
            found["client_connection_check_interval"] = str(_ALONE_MILLISECONDS)
        return found


def on(target: Connection, slots: int) -> Building:
    """Read what the target has: nobody tells us its memory, but a quarter of it is given to `shared_buffers` by custom.

    All our sessions together get as much as that: about a quarter of the memory, and 64 MiB each at least.
    """
    memory = int(link.rows(target, _SHARED)[0][0]) // slots
    return Building(min(max(memory, MEMORY_BYTES_MIN), MEMORY_BYTES_MAX), target.info.server_version >= 140000)


@contextlib.contextmanager
def session(job: PostgresJob, settings: dict[str, str], brake: Brake) -> Iterator[Connection]:
    """Open a session of the owner's on the target, which ends when the brake is pulled."""
    with link.session(job.target, program=job.program) as target, brake.hold(lambda: _hang_up(target)):
        link.run(target, *(f"SET {name} = {link.literal(value)}" for name, value in settings.items()), job.as_owner)
        yield target


def run(job: PostgresJob, settings: dict[str, str], statements: Sequence[str], *, doing: str, brake: Brake) -> None:
    """Run statements as the owner in a session of their own; raises `StepFailed` with the one that was refused."""
    if not statements:
        return
    with session(job, settings, brake) as target:
        for statement in statements:
            try:
                link.run(target, statement)
            except psycopg.Error as refused:
                raise _refused(statement, refused, doing) from refused


def _hang_up(target: Connection) -> None:
    """End what the session does, and whatever it would do next: a cancel between two statements is lost."""
    try:
        target.cancel()
    finally:  # a server that takes no connection for the cancel is hung up on all the same
        with socket.socket(fileno=os.dup(target.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)


def _refused(statement: str, refused: psycopg.Error, doing: str) -> StepFailed:
    # Only the first sentence: the others may hold values of citizens.
    said = refused.diag.message_primary or type(refused).__name__
    return StepFailed(
        "target-refused",
        what=f"{doing} failed",
        why=f"{said}; the statement was: {statement}",
        state="the source was only read; the copy is incomplete and begins again on the next run",
        next="mend the cause, then dcshift run",
    )
