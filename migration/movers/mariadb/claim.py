"""Marks a target server as ours and keeps movers of an earlier turn out; nothing of it lies at the source.

The mark says who serves, so it is also what a killed mover is followed by: `HANDED_OVER` is written before the target
takes its first write, and from then on the source is never opened again but by the way back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from migration.errors import StepFailed
from migration.movers.mariadb import link
from migration.movers.mariadb.job import MariadbJob
from migration.movers.mariadb.link import Connection

COPYING, FOLLOWING, CUTTING, HANDED_OVER, RETURNING = "copying", "following", "cutting", "handed-over", "returning"
_GONE_SECONDS_MAX: Final = 30.0
_STATEMENT_SECONDS: Final = 600.0
_PATIENCE_SECONDS: Final = 5
"""A server may take a moment to notice that a killed mover's connection is gone."""
_NO_SUCH_THREAD: Final = 1094
_MAKE: Final = (
    "CREATE DATABASE IF NOT EXISTS dcshift CHARACTER SET utf8mb4",
    "CREATE TABLE IF NOT EXISTS dcshift.claim (only_one tinyint PRIMARY KEY CHECK (only_one = 1),"
    " system varchar(20) NOT NULL, token bigint unsigned NOT NULL, phase varchar(20) NOT NULL,"
    " position text NOT NULL) ENGINE=InnoDB",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What the mark says."""

    system: str
    token: int
    phase: str
    position: str
    """GTID position: of the copy while it follows, of the cut since it was handed over."""

    @property
    def target_serves(self) -> bool:
        return self.phase in (HANDED_OVER, RETURNING)


def read(target: Connection) -> Claim | None:
    """Return the mark, or None where there is none."""
    there = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'dcshift' AND TABLE_NAME = 'claim'"
    if not link.one(target, there):
        return None
    found = link.rows(target, "SELECT system, token, phase, position FROM dcshift.claim")
    return Claim(*found[0]) if found else None


@dataclass(slots=True)
class Turn:
    """One mover's hold on both servers: its sessions hold a lock there, and the mark has its token."""

    job: MariadbJob
    source: Connection
    target: Connection
    claim: Claim | None = None

    def holds(self, side: Connection) -> bool:
        """Say whether nobody took this mover's place at one server: whoever does ends its session there first."""
        return bool(link.one(side, "SELECT IS_USED_LOCK(%s) <=> CONNECTION_ID()", (self.job.channel,)))

    def check(self) -> None:
        """Raise `StepFailed` (turn-over) unless this turn still holds; asked before whatever is changed anywhere."""
        now = read(self.target)
        there = self.holds(self.source) and self.holds(self.target)
        if not there or (self.claim is not None and (now is None or now.token != self.job.token)):
            raise _over(self.job, now.token if now else self.job.token)

    def make(self) -> None:
        """Mark an empty target as ours."""
        self.check()
        link.run(self.target, *_MAKE)
        words = "INSERT IGNORE INTO dcshift.claim VALUES (1, %s, %s, %s, '')"
        link.rows(self.target, words, (self.job.system, self.job.token, COPYING))
        self.claim = read(self.target)
        self.check()

    def set(self, phase: str, position: str | None = None) -> None:
        """Write how far we are, and read it back."""
        self.check()
        words = "UPDATE dcshift.claim SET phase = %s, position = COALESCE(%s, position) WHERE token = %s"
        link.rows(self.target, words, (phase, position, self.job.token))
        self.claim = read(self.target)
        if self.claim is None or self.claim.phase != phase:
            raise _over(self.job, self.claim.token if self.claim else self.job.token)

    def leave(self) -> None:
        """Take the mark away."""
        self.check()
        link.run(self.target, "DROP DATABASE IF EXISTS dcshift")
        self.claim = None

    def renew(self) -> None:
        """Open sessions that broke off anew, and hold both servers again if nobody took this mover's place."""
        for word, server in (("target", self.job.target), ("source", self.job.source)):
            if not _answers(before := getattr(self, word)):
                now_open = link.connect(server, statement_seconds=_STATEMENT_SECONDS)
                setattr(self, word, now_open)
                # A server that has not missed us yet holds us for at work, and nobody took our place.
                if link.one(now_open, "SELECT IS_USED_LOCK(%s)", (self.job.channel,)) == before.thread_id():
                    kill(now_open, before.thread_id())
                if not _is_locked(self.job, now_open):
                    now = read(self.target)
                    raise _over(self.job, now.token if now else self.job.token)
        self.check()

    def close(self) -> None:
        """Let go of both servers."""
        for side in (self.source, self.target):
            if side.open:
                side.close()


@contextmanager
def held(job: MariadbJob) -> Iterator[Turn]:
    """Hold both servers for this turn; a mover of an earlier one is ended, and what a killed one left at work.

    Raises `StepFailed`: turn-over, target-of-another-system, mover-at-work, leftover-session.
    """
    with link.session(job.source, statement_seconds=_STATEMENT_SECONDS) as source:
        turn = Turn(job, source, link.connect(job.target, statement_seconds=_STATEMENT_SECONDS))
        try:
            _take(turn)
            yield turn
        finally:
            turn.close()


def _take(turn: Turn) -> None:
    job = turn.job
    now = _allowed(job, read(turn.target))
    for side in (turn.target, turn.source):
        if now is not None and now.token < job.token:
            _end_holder(side, job.channel)
        _lock(job, side)
    _end_holder(turn.target, loading(job))  # whose mover is gone, or its lock would not be ours
    # Read again: whoever held the lock until now may have made the mark, or taken it away.
    if _allowed(job, read(turn.target)) is not None:
        link.rows(turn.target, "UPDATE dcshift.claim SET token = %s WHERE token <= %s", (job.token, job.token))
        turn.claim = read(turn.target)
    turn.check()


def _allowed(job: MariadbJob, now: Claim | None) -> Claim | None:
    """Return the mark, unless it is another system's or a later turn's."""
    if now is not None and now.system != job.system:
        raise StepFailed(
            "target-of-another-system",
            what=f"the target server holds the copy of {now.system}, not of {job.system}",
            why="its mark dcshift.claim says so",
            state="nothing was touched",
            next="look at the order: do two systems share one server?",
        )
    if now is not None and now.token > job.token:
        raise _over(job, now.token)
    return now


def _lock(job: MariadbJob, side: Connection) -> None:
    if not _is_locked(job, side):
        raise _at_work(job)


def _is_locked(job: MariadbJob, side: Connection) -> bool:
    return bool(link.one(side, "SELECT GET_LOCK(%s, %s)", (job.channel, _PATIENCE_SECONDS)) == 1)


def _answers(side: Connection) -> bool:
    try:
        side.ping(reconnect=False)
    except link.DatabaseError:
        return False
    return True


def loading(job: MariadbJob) -> str:
    """Return the name of the lock that the session of the loading program holds."""
    return f"{job.channel}_load"


def _end_holder(target: Connection, lock: str) -> None:
    deadline = time.monotonic() + _GONE_SECONDS_MAX
    while (session := link.one(target, "SELECT IS_USED_LOCK(%s)", (lock,))) is not None:
        if time.monotonic() > deadline:
            raise StepFailed(
                "leftover-session",
                what=f"a session of an earlier mover did not end within {_GONE_SECONDS_MAX:.0f} s",
                why=f"connection {session} holds the lock {lock} of the target",
                state="nothing was touched",
                next="end it on the server, then the same command again",
            )
        kill(target, session)
        time.sleep(0.1)


def kill(connection: Connection, session: int) -> None:
    """End a session; one that has ended by itself is as good."""
    try:
        link.run(connection, f"KILL CONNECTION {int(session)}")
    except link.DatabaseError as gone:
        if gone.args[0] != _NO_SUCH_THREAD:
            raise


def _at_work(job: MariadbJob) -> StepFailed:
    return StepFailed(
        "mover-at-work",
        what=f"another mover of {job.system} is at work in this turn",
        why=f"it holds the lock {job.channel} of one of the servers",
        state="this command changed nothing",
        next="wait for its end, or stop its unit; then the same command again",
    )


def _over(job: MariadbJob, token: int) -> StepFailed:
    return StepFailed(
        "turn-over",
        what=f"the move of {job.system} was stopped: its turn is over",
        why=f"turn {job.token} is over: turn {token} has begun, or another mover of this turn took its place",
        state="what was done stays as it is, and this mover changes nothing more",
        next="let the orchestrator that holds the later turn go on",
    )
