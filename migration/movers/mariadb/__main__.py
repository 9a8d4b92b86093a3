"""Moves the databases of one MariaDB server to another and follows their changes: `dcshift move mariadb --job FILE`.

It begins again from nothing after being killed at any moment before the copy follows; from then on it only follows. At
the source it keeps one account, for the stream, and nothing else.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from migration.errors import MigrationError, StepFailed
from migration.model.words import Json
from migration.movers import lines, memory, room
from migration.movers.job import Words, given
from migration.movers.mariadb import claim, fence, filling, findings, link, stream, switch
from migration.movers.mariadb import job as jobs
from migration.movers.mariadb import proof as proofs
from migration.movers.mariadb.claim import COPYING, Turn
from migration.movers.mariadb.moment import while_serving

_VERBS: Final = {
    "move": "copy and follow, or only follow when the copy is complete (the default)",
    "check": "say what speaks against it; nothing is carried",
    "prove": "compare definitions and rows of both sides as of one transaction, while citizens write",
    "cut": "fence, prove and hand over to the target; the source then follows it",
    "back": "the same the other way, with all that was written on the target",
    "retire": "after the cut: end the way back, and take everything of ours away",
    "undo": "before the cut: remove the copy, and everything of ours",
}


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="dcshift move mariadb", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    words.add_argument("--do", choices=_VERBS, default="move", help="; ".join(f"{v}: {t}" for v, t in _VERBS.items()))
    try:
        said = words.parse_args(argv)
        job = given(said.job, jobs.read, words.prog)
        with _ending_once(), claim.held(job) as turn:
            lines.result(_DO[said.do](turn))
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except link.DatabaseError as failure:
        lines.error(_refused(failure))
        return 1
    except OSError as failure:
        if not room.is_full(failure):
            raise
        lines.error(room.missing(memory.folder(), doing="the copy of the databases"))
        return 1
    return 0


def check(turn: Turn) -> dict[str, Json]:
    """Return all findings; raises `BlockedError` when one forbids the move, after they were said."""
    _assert_not_handed_over(turn)
    found = filling.speaks_against(turn)
    for one in found:
        said = {"severity": str(one.severity), "code": one.code, "where": one.where, "what": one.what, "next": one.next}
        lines.say({"finding": dict[str, Json](said)})
    warnings: list[Json] = [*findings.refuse(turn.job, found)]
    return {"warnings": warnings}


def move(turn: Turn) -> dict[str, Json]:
    """Copy and catch up, or only catch up when the copy is complete; return the facts."""
    began = time.monotonic()
    switch.take_back(turn)
    _assert_not_handed_over(turn)
    facts: dict[str, Json] = {}
    if turn.claim is None or turn.claim.phase == COPYING:
        facts = filling.fill(turn)
    elif stream.channel(turn.source, turn.job) is not None:
        switch.back(turn)  # decided, and killed before it was complete
    facts["transactions_behind"] = filling.follow(turn)
    return {**facts, "seconds": round(time.monotonic() - began, 1)}


def prove(turn: Turn) -> dict[str, Json]:
    """Compare both sides as of one transaction, whoever serves."""
    if turn.claim is None or turn.claim.phase == COPYING:
        raise StepFailed(
            "no-copy-to-prove",
            what=f"the target holds no complete copy of {turn.job.system}",
            why="its mark is not there, or does not say that it follows",
            state="nothing was changed",
            next="make the copy first (docs/mariadb.md)",
        )
    failed = 0
    with while_serving(turn) as moment:
        for proof in proofs.prove(moment, turn.job.databases):
            failed += not proof.passed
            said: Mapping[str, Json] = {
                "name": proof.name,
                "passed": proof.passed,
                "sentence": proof.sentence,
                "figures": dict(proof.figures),
                "differences": list(proof.differences),
            }
            lines.say({"proof": dict(said)})
    if failed:
        raise StepFailed(
            "copy-differs",
            what=f"{failed} proofs of the copy failed",
            why="the lines before name the differences",
            state="nothing was changed; whoever served serves",
            next="before the cut: --do undo, then make the copy anew (docs/mariadb.md)",
        )
    return {"proved": True, "position": moment.position}


def retire(turn: Turn) -> dict[str, Json]:
    """End the way back for good: the source stays closed and follows nobody, and nothing of ours is left."""
    if turn.claim is None or turn.claim.phase != claim.HANDED_OVER:
        raise StepFailed(
            "mariadb-not-handed-over",
            what=f"the source of {turn.job.system} cannot be retired",
            why="the target does not serve",
            state="nothing was changed",
            next="the same order with --do cut comes first",
        )
    if stream.channel(turn.source, turn.job) is not None:  # else an earlier retirement was killed in its middle
        switch.cut(turn)  # one that was killed before it was complete
    _take_away(turn)
    return {"retired": True}


def undo(turn: Turn) -> dict[str, Json]:
    """Remove the copy and everything of ours on both sides; refuses once the target was handed over."""
    switch.take_back(turn)
    _assert_not_handed_over(turn)
    if turn.claim is not None:
        filling.clean(turn)
        fence.open_up(turn.target)
    _take_away(turn)
    return {"undone": True}


def _take_away(turn: Turn) -> None:
    turn.check()
    for side in (turn.source, turn.target):
        stream.drop(side, turn.job)
    for side in (turn.source, turn.target):
        stream.drop_account(side, turn.job)
        stream.forget_place(side)
    turn.leave()


def _assert_not_handed_over(turn: Turn) -> None:
    if turn.claim is not None and turn.claim.target_serves:
        state = "the target serves"
        if turn.claim.phase == claim.RETURNING:
            state = "a way back was killed, so the target may be closed (the same order without --do opens it)"
        raise StepFailed(
            "target-handed-over",
            what=f"the copy of {turn.job.system} on the target was not touched",
            why="the target was handed over and may hold writes that exist nowhere else",
            state=f"nothing else was changed; {state}",
            next="the same order with --do back hands back to the source first",
        )


@contextmanager
def _ending_once() -> Iterator[None]:
    """Let only the first word to end count: told to end, a cut still lets citizens in again, and nobody stops that."""

    def end(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _refused(failure: link.DatabaseError) -> StepFailed:
    return StepFailed(
        "database-failed",
        what="the move stopped because a server refused or broke off",
        why=str(failure.args[-1] if failure.args else failure) or type(failure).__name__,
        state="what was done stays; the source serves unless a cut was under way (the same order with --do cut)",
        next="mend the cause, then the same command again",
    )


_DO: Final[Mapping[str, Callable[[Turn], dict[str, Json]]]] = {
    "move": move, "check": check, "prove": prove, "cut": switch.cut, "back": switch.back,
    "retire": retire, "undo": undo,
}  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
