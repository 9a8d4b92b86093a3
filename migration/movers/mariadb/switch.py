"""Exchanges the sides: the cut, and the way back, which is the same with the roles exchanged.

Nobody writes from the fence to the end. The way back is armed and seen to run before the other side takes its first
write; what decides is the mark on the target. Before it is written, whatever fails opens the side that served; once it
is, that side is never opened again, and a rerun only completes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from migration.errors import NeedsOperator, StepFailed
from migration.model.words import Json, Proof
from migration.movers import lines
from migration.movers.mariadb import counters, events, fence, gtid, link, proof, stream
from migration.movers.mariadb.claim import CUTTING, FOLLOWING, HANDED_OVER, RETURNING, Turn
from migration.movers.mariadb.job import MariadbJob
from migration.movers.mariadb.link import Connection
from migration.movers.mariadb.moment import while_frozen
from migration.movers.mariadb.sides import Side, open_up, reopen

_NEAR_SECONDS_MAX = 10.0
_RUNNING_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True)
class Marks:
    """What the mark on the target says before, during and after an exchange."""

    before: str
    during: str
    after: str


_CUT = Marks(FOLLOWING, CUTTING, HANDED_OVER)
_BACK = Marks(HANDED_OVER, RETURNING, FOLLOWING)


def cut(turn: Turn) -> dict[str, Json]:
    """Hand over to the target, which then serves; the source follows it."""
    return _exchange(turn, *_sides(turn), _CUT)


def back(turn: Turn) -> dict[str, Json]:
    """Hand back to the source with all that was written on the target; the target follows again."""
    source, target = _sides(turn)
    return _exchange(turn, target, source, _BACK)


def take_back(turn: Turn) -> None:
    """Open again whom an exchange that was killed before its decision left fenced."""
    source, target = _sides(turn)
    for marks, serving in ((_CUT, source), (_BACK, target)):
        if turn.claim is not None and turn.claim.phase == marks.during:
            reopen(serving, before=marks.before)


def _sides(turn: Turn) -> tuple[Side, Side]:
    return Side(turn, "source"), Side(turn, "target")


def _exchange(turn: Turn, serving: Side, following: Side, marks: Marks) -> dict[str, Json]:
    claim = turn.claim
    if claim is not None and claim.phase == marks.after and stream.channel(serving.session, turn.job) is not None:
        return {"repeated": True, **_complete(turn, serving, following)}
    if claim is None or claim.phase not in (marks.before, marks.during):
        raise StepFailed(
            "mariadb-not-following",
            what=f"the {following.word} of {turn.job.system} cannot take over",
            why=f"the mark on the target says {claim.phase if claim else 'nothing'}, not {marks.before}",
            state="nothing was changed",
            next="make the copy first (docs/mariadb.md)",
        )
    if claim.phase == marks.during:  # killed under the fence: whoever waits is let in before anything is refused
        reopen(serving, before=marks.before)
    _assert_near(turn, serving, following)
    turn.set(marks.during)
    began = time.monotonic()
    try:
        facts, places = _under_the_fence(turn, serving, following, deadline=began + turn.job.hold_seconds_max)
    except BaseException as failure:
        reopen(serving, before=marks.before, after=failure)
        if isinstance(failure, link.DatabaseError) and time.monotonic() >= began + turn.job.hold_seconds_max:
            # A server ends a statement at the same moment: that is the limit too, and no fault of the server's.
            raise _too_long(turn.job, f"the limit is {turn.job.hold_seconds_max} s: {failure}") from failure
        raise
    _decide(turn, serving, following, marks.after, places)
    facts |= _complete(turn, serving, following)
    return {**facts, "held_seconds": round(time.monotonic() - began, 2)}


def _decide(turn: Turn, serving: Side, following: Side, phase: str, places: str) -> None:
    """Write the mark. From here on it is decided, or nobody knows whether it is: nothing is taken back any more."""
    try:
        turn.set(phase, places)
    except link.DatabaseError as failure:
        raise NeedsOperator(
            "mariadb-decision-unknown",
            what=f"whether the {following.word} of {turn.job.system} has taken over is not known",
            why=f"the target broke off while its mark was written: {failure}",
            state=f"nobody writes: the {serving.word} is closed, and the {following.word} not open yet",
            next="when the target answers, the same command again: it completes, or begins anew",
        ) from failure


def _assert_near(turn: Turn, serving: Side, following: Side) -> None:
    job, claim = turn.job, turn.claim
    stream.start(following.session, job)
    if not stream.wait_for(following.session, stream.place(serving.session), seconds_max=_NEAR_SECONDS_MAX):
        stream.assert_follows(following.session, job)
        raise StepFailed(
            "mariadb-too-far-behind",
            what=f"the {following.word} of {job.system} is too far behind to take over",
            why=f"it did not reach the {serving.word} within {_NEAR_SECONDS_MAX:.0f} s",
            state=f"nothing was changed; the {serving.word} serves",
            next="let it catch up (the same order without --do), then the same command again",
        )
    stream.assert_follows(following.session, job)
    own, state = link.rows(following.session, "SELECT @@GLOBAL.server_id, @@GLOBAL.gtid_binlog_state")[0]
    if strays := gtid.strays(str(state), int(own), claim.position if claim else ""):
        raise StepFailed(
            "mariadb-follower-written",
            what=f"the {following.word} of {job.system} holds transactions of its own and cannot take over",
            why=f"somebody wrote there while it followed: {', '.join(map(str, strays))}",
            state=f"nothing was changed; the {serving.word} serves",
            next=f"find out who writes at the {following.word}; a target is copied anew after --do undo",
        )


def _under_the_fence(turn: Turn, serving: Side, following: Side, *, deadline: float) -> tuple[dict[str, Json], str]:
    """Bring both sides to one state and arm the way back; return the facts, and where both logs end."""
    job = turn.job

    def left() -> float:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise _too_long(job, f"the limit is {job.hold_seconds_max:.0f} s (hold_seconds_max)")
        return seconds

    _step(turn, "fence")
    ended = fence.close(serving.session)
    events.disarm(serving.session, job.databases)
    last = stream.place(serving.session)
    _step(turn, "last transaction")
    if not stream.wait_for(following.session, last, seconds_max=left()):
        raise _too_long(job, f"the last transaction {last} did not arrive")
    behind = counters.carry(serving.session, following.session, job.databases)
    _step(turn, "proof")
    with while_frozen(turn, seconds_max=left()) as moment:
        proofs = _passed(job, list(proof.prove(moment, job.databases, between=left)))
    _step(turn, "way back")
    left()
    position = stream.place(following.session)
    stream.subscribe(following.session, serving.session, job, following.reach, position)
    stream.start(serving.session, job)
    _wait_until(lambda: _runs(serving.session, job), left())
    stream.assert_follows(serving.session, job)
    if (now := stream.place(serving.session)) != last or stream.place(following.session) != position:
        raise StepFailed(
            "mariadb-written-in-the-hold",
            what=f"somebody wrote while nobody may: the exchange of {job.system} is taken back",
            why=f"the {serving.word} went from {last} to {now} under read_only: an account that this does not stop",
            state=f"the {serving.word} serves, nothing was lost",
            next="end that program, or take SUPER and READ_ONLY ADMIN from its account",
        )
    events.disarm(serving.session, job.databases)  # none that was just beginning has woken again
    left()
    return {"sessions_ended": ended, "counters_carried": behind, "proofs": proofs}, gtid.both(position, last)


def _complete(turn: Turn, gone: Side, serving: Side) -> dict[str, Json]:
    """Open the side that serves from now on; every part of it may have been done before."""
    job = turn.job
    _step(turn, f"{serving.word} serves")
    stream.start(gone.session, job)
    fence.close(gone.session)
    events.disarm(gone.session, job.databases)
    stream.drop(serving.session, job)
    stream.drop_account(gone.session, job)
    turn.check()
    open_up(serving)  # before what a server may refuse: nobody writes until then
    if link.one(gone.session, "SELECT @@GLOBAL.event_scheduler") == "ON":
        link.run(serving.session, "SET GLOBAL event_scheduler = ON")
    if gone.session is turn.target:
        link.run(gone.session, "SET GLOBAL event_scheduler = OFF")  # as it was found before the copy
    stream.assert_follows(gone.session, job)
    return {"serves": serving.word, "follows": gone.word}


def _step(turn: Turn, what: str) -> None:
    lines.progress(what, 0, None, "steps")
    turn.check()


def _passed(job: MariadbJob, proofs: list[Proof]) -> list[Json]:
    if failed := [proof for proof in proofs if not proof.passed]:
        raise StepFailed(
            "copy-differs",
            what=f"both sides of {job.system} are not equal: the exchange is taken back",
            why="; ".join(f"{proof.name}: {', '.join(proof.differences[:5])}" for proof in failed),
            state="the side that served before serves, nothing was lost",
            next="the same order with --do prove names every difference; after --do undo the copy is made anew",
        )
    return [proof.sentence for proof in proofs]


def _runs(follower: Connection, job: MariadbJob) -> bool:
    found = stream.channel(follower, job)
    return found is not None and found.reading and found.applying


def _wait_until(done: Callable[[], bool], seconds_max: float) -> None:
    deadline = time.monotonic() + min(seconds_max, _RUNNING_SECONDS_MAX)
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def _too_long(job: MariadbJob, why: str) -> StepFailed:
    return StepFailed(
        "mariadb-hold-too-long",
        what=f"the exchange of {job.system} took too long and is taken back",
        why=why,
        state="the side that served before serves, nothing was lost",
        next="look at the load of both servers, or allow more, then the same command again",
    )
