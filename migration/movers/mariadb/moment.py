"""Shows both servers as of one and the same transaction, while citizens write; nothing is frozen for it.

The follower is stopped, the other one's snapshot begins and says its position, and the follower goes on to exactly that
position, where its own snapshot begins. Then it follows again, and both snapshots are compared at leisure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from migration.errors import StepFailed
from migration.movers.mariadb import gtid, link, stream
from migration.movers.mariadb.claim import Turn
from migration.movers.mariadb.link import Connection

_STATEMENT_SECONDS: Final = 12 * 3600.0
_SNAPSHOT: Final = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """Both sides as of one transaction."""

    source: Connection
    target: Connection
    position: str
    frozen: bool
    """Whether nobody writes: then what no snapshot shows, the counters, can be compared too."""


@contextmanager
def while_serving(turn: Turn, *, standing: bool = False) -> Iterator[Moment]:
    """Yield a moment in which the side that serves goes on serving; `standing` lets the follower wait for its end."""
    job = turn.job
    serves = turn.claim is not None and turn.claim.target_serves
    with (
        link.session(job.source, statement_seconds=_STATEMENT_SECONDS) as source,
        link.session(job.target, statement_seconds=_STATEMENT_SECONDS) as target,
        link.session(job.source if serves else job.target) as ordering,
    ):
        publisher, follower = (target, source) if serves else (source, target)
        turn.check()
        stream.start(ordering, job)  # a comparison that was killed has left it standing
        stream.assert_follows(ordering, job)
        stream.stop(ordering, job)
        try:
            link.run(publisher, *_SNAPSHOT)
            position = _position(publisher)
            if gtid.behind(position, stream.reached(ordering)):
                stream.start(ordering, job, until=position)
                stream.wait_stopped(ordering, job, seconds_max=job.catch_up_seconds_max)
            _assert_there(turn, position, stream.reached(ordering))
            moment = Moment(source, target, position, frozen=False)
            if standing:
                yield moment
            else:
                link.run(follower, *_SNAPSHOT)
        except BaseException:
            with contextlib.suppress(link.DatabaseError, StepFailed):  # what failed first is what has to be told
                stream.start(ordering, job)
            raise
        stream.start(ordering, job)
        if not standing:
            yield moment


def _assert_there(turn: Turn, position: str, applied: str) -> None:
    if gtid.behind(position, applied) or gtid.behind(applied, position):
        raise StepFailed(
            "mariadb-moment-missed",
            what=f"both sides of {turn.job.system} could not be brought to one moment",
            why=f"the follower stopped at {applied or 'nothing'} instead of {position or 'nothing'}",
            state="nothing was changed; the follower goes on",
            next="the same command again",
        )


@contextmanager
def while_frozen(turn: Turn, *, seconds_max: float) -> Iterator[Moment]:
    """Yield a moment in which nobody writes and the follower has everything; the caller has seen to that."""
    job = turn.job
    with (
        link.session(job.source, statement_seconds=seconds_max) as source,
        link.session(job.target, statement_seconds=seconds_max) as target,
    ):
        for side in (source, target):
            link.run(side, *_SNAPSHOT)
        yield Moment(source, target, stream.place(source), frozen=True)


def _position(publisher: Connection) -> str:
    """Return the position of a snapshot that has just begun."""
    found: dict[str, str] = dict(link.rows(publisher, "SHOW STATUS LIKE 'binlog_snapshot_%'"))
    place = (found.get("Binlog_snapshot_file"), found.get("Binlog_snapshot_position"))
    return str(link.one(publisher, "SELECT BINLOG_GTID_POS(%s, %s)", place) or "")
