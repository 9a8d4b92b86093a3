"""Opens both databases at one logical moment for the proofs; it changes nothing but the marker's value."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg

from migration.errors import StepFailed
from migration.movers import link, stream
from migration.movers.link import Connection, Endpoint
from migration.ports import Clock
from migration.verification.session import Moment, Row, Side

PROGRAM: Final = "dcshift-watch"
# A lock stops writers, so all that happens under it has this limit together; citizens may notice a second, not this.
LOCK_SECONDS_MAX: Final = 0.3
_ATTEMPTS: Final = 60
_QUERY_SECONDS_MAX: Final = 3600.0


@dataclass(frozen=True, slots=True)
class SnapshotSession:
    """One session whose every answer is of the same moment."""

    connection: Connection
    over: threading.Event
    """The comparison has taken too long: what runs is cancelled, and nothing more is begun."""

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        if self.over.is_set():
            raise _too_slow()
        return link.rows(self.connection, query, tuple(parameters))


@dataclass(frozen=True, slots=True)
class Place:
    """One side as a proof needs to know it."""

    endpoint: Endpoint
    owner: str
    migration_role: str


def pinned(
    endpoint: Endpoint, stack: ExitStack, *, program: str = PROGRAM, silence_seconds_max: int | None = None
) -> Connection:
    """Open a session, closed with `stack`, in which every value has one text form whatever the server is set to."""
    connection = link.connect(
        endpoint, program=program, statement_seconds=_QUERY_SECONDS_MAX, silence_seconds_max=silence_seconds_max
    )
    stack.callback(connection.close)
    link.pin(connection)
    return connection


def _share(connections: Sequence[Connection]) -> None:
    """Let all sessions see what the first one sees now."""
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    link.run(connections[0], begin)
    snapshot = str(link.rows(connections[0], "SELECT pg_export_snapshot()")[0][0])
    for other in connections[1:]:
        link.run(other, begin, f"SET TRANSACTION SNAPSHOT {link.literal(snapshot)}")


@contextmanager
def moment(
    source: Place,
    target: Place,
    clock: Clock,
    *,
    frozen: bool,
    workers: int = 2,
    seconds_max: float | None = None,
) -> Iterator[Moment]:
    """Open both sides at one moment.

    `frozen`: nobody writes, so now is as good as any moment. Otherwise writers are stopped for `LOCK_SECONDS_MAX` at
    most, until the target has everything; raises `StepFailed` when that never succeeded. Everything that is asked
    after `seconds_max` is refused, and what is asked then is cancelled.
    """
    silence = link.HOLD_SILENCE_SECONDS_MAX if frozen else None
    with ExitStack() as stack, ThreadPoolExecutor(2 * workers) as pool:
        opened = [
            pool.submit(pinned, place.endpoint, stack, silence_seconds_max=silence)
            for place in (source, target)
            for _ in range(workers)
        ]
        connections = [task.result() for task in opened]
        here, there = connections[:workers], connections[workers:]

        def share() -> None:
            list(pool.map(_share, (here, there)))

        if frozen:
            share()
        else:
            _at_a_locked_instant(source.endpoint, target.endpoint, clock, share)
        over = _alarm(connections, seconds_max, stack)
        sides = [
            Side([SnapshotSession(c, over) for c in group], place.owner, place.migration_role)
            for group, place in ((here, source), (there, target))
        ]
        yield Moment(sides[0], sides[1], frozen)


def _alarm(connections: Sequence[Connection], seconds_max: float | None, stack: ExitStack) -> threading.Event:
    """Return the event that is set, with all queries cancelled, after this time."""
    over = threading.Event()

    def end() -> None:
        over.set()
        for connection in connections:
            connection.cancel()

    if seconds_max is not None:
        timer = threading.Timer(max(0.0, seconds_max), end)
        timer.daemon = True
        timer.start()
        stack.callback(timer.cancel)
    return over


def _too_slow() -> StepFailed:
    return StepFailed(
        "comparison-too-slow",
        what="the comparison of both databases was given up",
        why="it took longer than citizens may be kept waiting",
        state="nothing was released; the source serves once the freeze is undone",
        next="raise objectives.write_hold_max in the catalogue if citizens can wait longer, then dcshift plan",
    )


def _at_a_locked_instant(source: Endpoint, target: Endpoint, clock: Clock, share: object) -> None:
    assert callable(share)
    with (
        link.session(source, program=PROGRAM) as marker,
        link.session(target, program=PROGRAM) as arrival,
        link.connect(source, program=PROGRAM, autocommit=False) as locker,
    ):
        names = [f"ONLY {link.quoted(*table)}" for table in link.rows(marker, _LOCKED)]
        lock = f"LOCK TABLE {', '.join(names)} IN SHARE MODE" if names else "SELECT 1"
        for attempt in range(_ATTEMPTS):
            # First let the target come close: what is under way when the lock is taken must arrive within the limit.
            if stream.wait_for_mark(arrival, stream.mark(marker), seconds_max=5.0):
                link.run(locker, f"SET LOCAL statement_timeout = {int(LOCK_SECONDS_MAX * 500)}")
                began = time.monotonic()
                try:
                    link.run(locker, lock)
                    left = LOCK_SECONDS_MAX - (time.monotonic() - began) - 0.05
                    if stream.wait_for_mark(arrival, stream.mark(marker), seconds_max=left, every_seconds=0.002):
                        share()
                        return
                except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                    pass
                finally:
                    locker.rollback()
            clock.sleep(min(0.2 * (attempt + 1), 2.0))
    raise StepFailed(
        "no-common-moment",
        what="both databases could not be seen at one moment",
        why=f"{_ATTEMPTS} times a transaction was open longer than {LOCK_SECONDS_MAX} s, or changes arrived late",
        state="nothing was changed; the source serves",
        next="look for long transactions in pg_stat_activity of the source, then dcshift verify",
    )


_LOCKED = """
SELECT schemaname, tablename FROM pg_publication_tables
WHERE pubname = 'dcshift' AND schemaname <> 'dcshift' ORDER BY 1, 2
"""
