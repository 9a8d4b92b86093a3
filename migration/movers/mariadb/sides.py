"""One side of an exchange, and how it is opened to users, also when something else has just failed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

from migration.errors import MigrationError, NeedsOperator, StepFailed
from migration.movers.mariadb import events, fence, link, stream
from migration.movers.mariadb.claim import Turn
from migration.movers.mariadb.job import Reach
from migration.movers.mariadb.link import Connection


@dataclass(frozen=True, slots=True)
class Side:
    """One server in this exchange."""

    turn: Turn
    word: Literal["source", "target"]

    @property
    def session(self) -> Connection:
        """Return the mover's session there, which may have been opened anew."""
        return self.turn.source if self.word == "source" else self.turn.target

    @property
    def reach(self) -> Reach:
        """Return how the other server reaches it."""
        return self.turn.job.feed if self.word == "source" else self.turn.job.back


def open_up(serving: Side) -> None:
    """Let users write and events run."""
    fence.open_up(serving.session)
    events.arm(serving.session, serving.turn.job.databases)


def reopen(serving: Side, *, before: str, after: BaseException | None = None) -> None:
    """Let the side that served serve again; where it still knows us it is asked alone: the other may be what failed.

    `after` is what made that necessary. Raises `NeedsOperator` (mariadb-left-closed), and `StepFailed` (turn-over)
    where another mover took this one's place: both sides are in its hands.
    """
    turn = serving.turn
    try:
        if not _knows_us(serving):
            turn.renew()
        with contextlib.suppress(StepFailed):
            stream.drop(serving.session, turn.job)
        open_up(serving)
    except (link.DatabaseError, StepFailed) as failure:
        if isinstance(failure, StepFailed) and failure.code == "turn-over":
            raise
        raise NeedsOperator(
            "mariadb-left-closed",
            what=f"the {serving.word} of {turn.job.system} could not be opened again",
            why=_said(failure) if after is None else f"{_said(failure)}; before that: {_said(after)}",
            state=f"nobody writes: the {serving.word} is closed, and nothing was handed over",
            next="when both servers answer: the same order without --do, which opens it",
        ) from failure
    with contextlib.suppress(link.DatabaseError):  # the next run reads the mark and opens it once more
        turn.set(before)


def _knows_us(side: Side) -> bool:
    try:
        return side.turn.holds(side.session)
    except link.DatabaseError:
        return False


def _said(failure: BaseException) -> str:
    return f"{failure.what}: {failure.why}" if isinstance(failure, MigrationError) else str(failure)
