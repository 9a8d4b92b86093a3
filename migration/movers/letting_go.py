"""Takes away at the source what a copy of a database put there, once that copy is worth nothing.

It never touches what a later turn has put there since.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

import psycopg

from migration.errors import MigrationError, StepFailed
from migration.movers import identity, link, stream
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted

_TURN: Final = "SELECT dcshift.take_turn(%s)"


def let_go(source: Connection, name: str, publication: str) -> None:
    """Drop slot and publication, and give every table the identity that it had; whoever calls it has the turn.

    In this order: changes of a table that is published without an identity would fail at the source.
    """
    stream.drop_slot(source, name)
    link.run(source, f"DROP PUBLICATION IF EXISTS {quoted(publication)}")
    identity.put_back(source)


def after_failure(job: PostgresJob, source: Connection) -> str:
    """Let go of the source for a copy that failed; return as a phrase how the source stands now.

    `source` is the copy's own session. It is safe while it lives: whoever takes a later turn ends it before.
    """
    try:
        try:
            _under_its_turn(job, source)
        except psycopg.OperationalError:  # it was broken off, perhaps with all that the copy had
            with _session(job) as guard, guard.transaction(), _session(job) as another:
                # Whoever takes a later turn waits for this lock until we are gone: what he puts there is not ours.
                link.rows(guard, _TURN, (job.token,))
                let_go(another, job.name, job.publication)
    except (psycopg.Error, MigrationError) as failure:
        why = failure.why if isinstance(failure, MigrationError) else str(failure)
        return (
            f"what it put at the source could not be taken away ({' '.join(why.split())[:300]}): while the slot "
            f"{job.name} is there it keeps the source's log, until the step is run again or undone"
        )
    return "nothing of the copy is left at the source"


def _under_its_turn(job: PostgresJob, source: Connection) -> None:
    link.rows(source, _TURN, (job.token,))
    let_go(source, job.name, job.publication)


def broken(failure: psycopg.Error, left: str | None = None) -> StepFailed:
    """Return the error of a copy that a database ended; `left` says how the source stands now."""
    state = "the source was only read; the copy is incomplete and begins again on the next run"
    return StepFailed(
        "database-failed",
        what="the copy stopped because a database refused or broke off",
        why=str(failure).strip() or type(failure).__name__,
        state=state if left is None else f"{state}; {left}",
        next="mend the cause, then dcshift run",
    )


def _session(job: PostgresJob) -> AbstractContextManager[Connection]:
    return link.session(job.source, program=job.program, silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX)
