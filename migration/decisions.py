"""Decides what the next turn does: a pure function of the replayed run, the plan and the time; it touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from migration.model.ending import Outcome
from migration.model.plan import Plan, Step
from migration.model.run import Policy, RunState, Status, SystemState, Want
from migration.model.words import Component, Stage, StepId

HOLD_GIVEN_UP_AT = 3.0
"""A freeze that lasts this many times what the catalogue allows is given up: citizens go back to the source."""

_STAGES = tuple(Stage)
_FREEZE = (Stage.QUIESCE, Stage.CUTOVER)


@dataclass(frozen=True, slots=True)
class Do:
    """Attempt a step."""

    step: StepId


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the world about an attempt whose process died."""

    step: StepId


@dataclass(frozen=True, slots=True)
class Undo:
    """Take a step back."""

    step: StepId


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail a step before it begins, because citizens have waited too long."""

    step: StepId
    held_seconds_max: float


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more to do."""

    outcome: Outcome
    system: str | None = None
    step: StepId | None = None


Decision: TypeAlias = Do | Probe | Undo | GiveUp | End


def decide(state: RunState, plan: Plan, systems: Sequence[str], now: float, *, stopping: bool = False) -> Decision:
    """Return what comes next for these systems, which are given in the order in which they move.

    Unfinished business comes first: a way back that was begun is finished, a half-done attempt is probed, and only then
    does anything new begin. `stopping`: whoever runs this process wants it to end soon.
    """
    return (
        _broken_off(state, plan, systems)
        or _stuck(state, systems)
        or _unwinding(state, systems)
        or _wanted(state, plan, systems, now, stopping)
    )


def frozen(state: RunState, plan: Plan, system: str) -> bool:
    """Say whether a freeze of this system was begun and has not ended: jobs at rest, or citizens waiting, or both.

    It ends with the last step of cutover, which arms the jobs on the target, or with everything undone. Nothing may
    stop inside it for longer than a process is dead.
    """
    steps = [step for step in plan.of(system) if step.stage in _FREEZE and not _freezes_nothing(step)]
    statuses = {state.step(step.id).status for step in steps}
    return bool(statuses - {Status.PENDING}) and statuses != {Status.DONE}


def holding(state: RunState, plan: Plan, system: str) -> bool:
    """Say whether citizens of this system may be waiting at the gate."""
    first = _first_hold(plan, system)
    release = point_of_no_return(plan, system)
    if first is None or release is None:
        return False
    return state.step(first.id).status is not Status.PENDING and state.step(release.id).status is not Status.DONE


def past_point_of_no_return(state: RunState, plan: Plan, system: str) -> bool:
    """Say whether the target may have accepted writes; an attempt that was not probed yet does not count."""
    release = point_of_no_return(plan, system)
    if release is None:
        return False
    step = state.step(release.id)
    return step.status is Status.DONE or step.effect_seen or step.unsure


def point_of_no_return(plan: Plan, system: str) -> Step | None:
    """Return the step that releases this system to the target."""
    return next((step for step in plan.of(system) if step.point_of_no_return), None)


def unwind(state: RunState, plan: Plan, failed: Step, policy: Policy) -> tuple[StepId, ...]:
    """Return what must be undone because this step failed before the point of no return: the exact reverse order."""
    touched = {step.id for step in plan.steps if state.step(step.id).status is not Status.PENDING} | {failed.id}
    reached = [step for step in plan.of(failed.system) if step.id in touched]
    match policy:
        case Policy.ALL:
            chosen = reached
        case Policy.FREEZE if failed.stage in _FREEZE:
            chosen = [step for step in reached if step.stage in _FREEZE]
        case Policy.FREEZE:
            chosen = [failed]
    return tuple(step.id for step in reversed(chosen))


def _broken_off(state: RunState, plan: Plan, systems: Sequence[str]) -> Decision | None:
    for step in _steps(plan, systems):
        status, system = state.step(step.id).status, state.system(step.system)
        if system.stuck is not None:
            continue
        if status is Status.UNDOING:
            return Undo(step.id)
        if status is Status.DOING:
            # Whoever wants to go back need not know how far it came: an undo may be called when half was done. Only the
            # release must be known, because past it there is no way back.
            if system.want is Want.ROLLBACK and not step.point_of_no_return:
                return Undo(step.id)
            if not (system.want is Want.ROLLBACK and state.step(step.id).effect_seen):
                return Probe(step.id)
    return None


def _stuck(state: RunState, systems: Sequence[str]) -> Decision | None:
    for name in systems:
        stuck = state.system(name).stuck
        if stuck is not None:
            return End(Outcome.STUCK, name, stuck)
    return None


def _unwinding(state: RunState, systems: Sequence[str]) -> Decision | None:
    ended: Decision | None = None
    for name in systems:
        failure = state.system(name).failure
        if failure is None:
            continue
        if failure.unwind:
            return Undo(failure.unwind[0])
        outcome = Outcome.STUCK if failure.past_point_of_no_return else Outcome.FAILED
        ended = ended or End(outcome, name, failure.step)
    return ended


def _wanted(state: RunState, plan: Plan, systems: Sequence[str], now: float, stopping: bool) -> Decision:
    backwards = [name for name in systems if state.system(name).want is Want.ROLLBACK]
    for name in reversed(backwards):
        if past_point_of_no_return(state, plan, name):
            return End(Outcome.REFUSED, name)
        for step in reversed(plan.of(name)):
            if state.step(step.id).status is not Status.PENDING:
                return Undo(step.id)
    if backwards:
        return End(Outcome.ROLLED_BACK, backwards[0])
    return _leaving_the_freeze(state, plan, systems, stopping) or _onward(state, plan, systems, now)


def _onward(state: RunState, plan: Plan, systems: Sequence[str], now: float) -> Decision:
    # A freeze that is open is ended before anything else: no other system's preparation may keep its citizens waiting.
    for step in sorted(_steps(plan, systems), key=lambda step: not frozen(state, plan, step.system)):
        system, is_frozen = state.system(step.system), frozen(state, plan, step.system)
        if system.want is Want.PAUSE and not is_frozen:
            return End(Outcome.PAUSED, step.system)
        # A pause in the freeze is obeyed after it: citizens are waiting, or have been served while the jobs are armed
        # nowhere yet, and the shortest way out is forward.
        in_freeze = is_frozen and step.stage in _FREEZE
        wanted = in_freeze or (system.want is not Want.PAUSE and _STAGES.index(step.stage) <= _until(system))
        if wanted and state.step(step.id).status is not Status.DONE:
            return _forward(state, plan, step, now)
    return End(Outcome.DONE)


def _leaving_the_freeze(state: RunState, plan: Plan, systems: Sequence[str], stopping: bool) -> Decision | None:
    """Return the way back out of a freeze when whoever runs it now wants to end before it, or before anybody waits.

    To go on would release against their wish; to stop would keep citizens waiting and jobs disarmed.
    """
    for name in systems:
        system = state.system(name)
        ends_before = system.want is Want.FORWARD and _until(system) < _STAGES.index(Stage.QUIESCE)
        soon = (stopping or system.want is Want.PAUSE) and frozen(state, plan, name) and not holding(state, plan, name)
        if not (ends_before or soon) or past_point_of_no_return(state, plan, name):
            continue
        for step in reversed(plan.of(name)):
            if step.stage in _FREEZE and state.step(step.id).status is not Status.PENDING:
                return Undo(step.id)
    return None


def _forward(state: RunState, plan: Plan, step: Step, now: float) -> Decision:
    first = _first_hold(plan, step.system)
    if first is None or not step.holds_users or step.id == first.id:
        return Do(step.id)
    if past_point_of_no_return(state, plan, step.system):
        return Do(step.id)
    began = state.step(first.id).began_at
    limit = dict(plan.hold_max_seconds)[step.system] * HOLD_GIVEN_UP_AT
    if began is not None and now - began > limit:
        return GiveUp(step.id, limit)
    return Do(step.id)


def _freezes_nothing(step: Step) -> bool:
    """Say whether this step belongs to the freeze by its stage alone: one more pass while the source serves."""
    return (step.component, step.stage) == (Component.FILES, Stage.QUIESCE)


def _until(system: SystemState) -> int:
    return _STAGES.index(system.until)


def _first_hold(plan: Plan, system: str) -> Step | None:
    return next((step for step in plan.of(system) if step.holds_users), None)


def _steps(plan: Plan, systems: Sequence[str]) -> list[Step]:
    return [step for step in plan.steps if step.system in systems]
