"""Says from the journal how a move that nobody works on has ended, for whoever watched it; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.account import accounts, state_of
from migration.decisions import End, decide, frozen
from migration.model.ending import Outcome
from migration.model.run import Event, Kind, RunState
from migration.model.words import Severity

if TYPE_CHECKING:
    from migration.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Ended:
    """One sentence about how it stands, what to type next, and the exit status of the watch."""

    sentence: str
    next: str
    exit_code: int


def ended(plan: Plan, events: Sequence[Event], now: float) -> Ended:
    """Return how the run of these records has ended, at `now` in seconds; asked when nobody is at work on it.

    Exit: 0 all that was asked for is done · 1 failed and undone · 2 a way back was refused · 3 blocked ·
    4 stuck, or its process died: a person must act · 130 paused, stopped safely, or never begun.
    """
    state = state_of(events)
    asked = [name for name in plan.systems() if state.system(name).wanted_at]
    run = f"dcshift run --plan {plan.id[:6]}"
    if not asked:
        return Ended("nothing of this plan was begun", run, 130)
    decision = decide(state, plan, asked, now)
    if isinstance(decision, End):
        return _as_decided(plan, state, events, decision, run)
    open_now = [name for name in asked if frozen(state, plan, name)]
    if open_now:
        where = f"{', '.join(open_now)} stands inside a freeze: citizens may be waiting, jobs may be at rest"
        return Ended(f"whoever moved it has died; {where}", f"{run}   ends the freeze", 4)
    last = next(event for event in reversed(events) if event.kind is not Kind.REPAIR)
    return _left_undone(last, decision.step, run)


def _as_decided(plan: Plan, state: RunState, events: Sequence[Event], end: End, run: str) -> Ended:
    match end.outcome:
        case Outcome.STUCK:
            return Ended(f"{end.system} is stuck at {end.step}: a person must look", f"mend it, then {run}", 4)
        case Outcome.FAILED:
            again = f"{run}   tries again; dcshift rollback takes the rest back"
            return Ended(f"{end.system} failed at {end.step}, which was undone: the source serves it", again, 1)
        case Outcome.REFUSED:
            released = f"{end.system} was released to the target and cannot go back"
            return Ended(released, "dcshift verify; docs/limits.md", 2)
        case Outcome.PAUSED:
            return Ended(f"{end.system} was paused; what was done stays", run, 130)
        case Outcome.ROLLED_BACK:
            back = [name for name in plan.systems() if state.system(name).want is state.system(end.system or "").want]
            return Ended(f"{', '.join(back)} was taken back: the source serves", run, 0)
        case _:
            return _done(plan, events, run)


def _done(plan: Plan, events: Sequence[Event], run: str) -> Ended:
    left = [each for each in accounts(plan, events) if each.state != "moved"]
    if not left:
        return Ended(f"{', '.join(plan.systems())}: moved", "dcshift report", 0)
    stand = ", ".join(f"{each.system} is {each.state}, {each.steps_done} of {each.steps} steps" for each in left)
    return Ended(f"what was asked for is done; {stand}", f"{run}   goes on", 0)


def _left_undone(last: Event, step: str, run: str) -> Ended:
    if last.kind is Kind.INTERRUPTED:
        return Ended(f"it was stopped safely before the end of {step}", run, 130)
    findings = last.content.get("findings")
    if last.kind is Kind.FOUND and isinstance(findings, list):
        codes = [str(found["code"]) for found in findings
                 if isinstance(found, dict) and found["severity"] == Severity.BLOCKER]  # fmt: skip
        if codes:
            return Ended(f"{step} was not begun: {', '.join(codes)} forbids it", f"dcshift check, then {run}", 3)
    return Ended(f"whoever moved it has died before the end of {step}", f"{run}   looks first and goes on", 4)
