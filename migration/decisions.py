"""Decides what the next turn does: a pure function of the replayed run, the plan and the time; it touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        or _asked_again(state, plan, systems)
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


def hold_seconds_limit(plan: Plan, system: str) -> float:
    """Return how long citizens of this system may wait before the freeze is given up."""
    return dict(plan.hold_max_seconds)[system] * HOLD_GIVEN_UP_AT


def hold_seconds_left(state: RunState, plan: Plan, step: Step, now: float) -> float | None:
    """Return how long this step may still keep citizens waiting; None if nobody waits for it."""
    first = _first_hold(plan, step.system)
    if first is None or not step.holds_users or step.id == first.id:
        return None
    began = state.step(first.id).began_at
    if began is None or past_point_of_no_return(state, plan, step.system):
        return None
    return hold_seconds_limit(plan, step.system) - (now - began)


def past_point_of_no_return(state: RunState, plan: Plan, system: str) -> bool:
    """Say whether the target may have accepted writes; an attempt that was not probed yet does not count."""
    release = point_of_no_return(plan, system)
    if release is None:
        return False
    step = state.step(release.id)
    return step.status is Status.DONE or step.effect_seen or step.unsure


def release_is_unsure(state: RunState, plan: Plan, system: str) -> bool:
    """Say whether nobody could tell if this system was released; whoever comes next asks the gate again."""
    release = point_of_no_return(plan, system)
    return release is not None and state.step(release.id).status is Status.HALF and state.step(release.id).unsure


def point_of_no_return(plan: Plan, system: str) -> Step | None:
    """Return the step that releases this system to the target."""
    return next((step for step in plan.of(system) if step.point_of_no_return), None)


def way_back(plan: Plan, steps: Iterable[Step]) -> list[Step]:
    """Return these steps of one system in the order in which they are undone: citizens first.

    First the gate is asked whether it released after all. Then the source comes to life again (quiesce), and only then
    is the target put back (cutover): as long as nothing was released, neither what the target is nor whether it lives
    can matter to citizens, so nobody waits for it. All the rest follows in reverse order.
    """
    order = {step.id: number for number, step in enumerate(plan.steps)}
    rank = {Stage.QUIESCE: 1, Stage.CUTOVER: 2}

    def key(step: Step) -> tuple[int, int]:
        release = point_of_no_return(plan, step.system)
        last = release is not None and order[step.id] >= order[release.id]
        return (0 if last else rank.get(step.stage, 3), -order[step.id])

    return sorted(steps, key=key)


def unwind(state: RunState, plan: Plan, failed: Step, policy: Policy) -> tuple[StepId, ...]:
    """Return what must be undone because this step failed before the point of no return, in order."""
    touched = {step.id for step in plan.steps if state.step(step.id).status is not Status.PENDING} | {failed.id}
    reached = [step for step in plan.of(failed.system) if step.id in touched]
    match policy:
        case Policy.ALL:
            chosen = reached
        case Policy.FREEZE if failed.stage in _FREEZE:
            chosen = [step for step in reached if step.stage in _FREEZE]
        case Policy.FREEZE:
            chosen = [failed]
    return tuple(step.id for step in way_back(plan, chosen))


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
                return Undo(way_back(plan, _touched(state, plan, step.system))[0].id)
            if not (system.want is Want.ROLLBACK and state.step(step.id).effect_seen):
                return Probe(step.id)
    return None


def _stuck(state: RunState, systems: Sequence[str]) -> Decision | None:
    for name in systems:
        stuck = state.system(name).stuck
        if stuck is not None:
            return End(Outcome.STUCK, name, stuck)
    return None


def _asked_again(state: RunState, plan: Plan, systems: Sequence[str]) -> Decision | None:
    # Not knowing once is not knowing for ever: each new wish asks the gate again, once, before anything else.
    for name in systems:
        release = point_of_no_return(plan, name)
        if release is None or not release_is_unsure(state, plan, name):
            continue
        if state.step(release.id).asked_at < state.system(name).wanted_at:
            return Probe(release.id)
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
    # In the reverse order of the move, but whoever's citizens wait comes first.
    backwards.reverse()
    backwards.sort(key=lambda name: not holding(state, plan, name))
    for name in backwards:
        if past_point_of_no_return(state, plan, name):
            return End(Outcome.REFUSED, name)
        for step in way_back(plan, _touched(state, plan, name)):
            return Undo(step.id)
    if backwards:
        return End(Outcome.ROLLED_BACK, next(name for name in systems if name in backwards))
    return _leaving_the_freeze(state, plan, systems, stopping) or _onward(state, plan, systems, now)


def _onward(state: RunState, plan: Plan, systems: Sequence[str], now: float) -> Decision:
    # A freeze that is open is ended before anything else: no other system's preparation may keep its citizens waiting.
    freezes = {name: frozen(state, plan, name) for name in systems}
    for step in sorted(_steps(plan, systems), key=lambda step: not freezes[step.system]):
        system, is_frozen = state.system(step.system), freezes[step.system]
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
        for step in way_back(plan, _touched(state, plan, name)):
            if step.stage in _FREEZE:
                return Undo(step.id)
    return None


def _forward(state: RunState, plan: Plan, step: Step, now: float) -> Decision:
    left = hold_seconds_left(state, plan, step, now)
    return GiveUp(step.id, hold_seconds_limit(plan, step.system)) if left is not None and left < 0 else Do(step.id)


def _freezes_nothing(step: Step) -> bool:
    """Say whether this step belongs to the freeze by its stage alone: one more pass while the source serves."""
    return (step.component, step.stage) == (Component.FILES, Stage.QUIESCE)


def _until(system: SystemState) -> int:
    return _STAGES.index(system.until)


def _first_hold(plan: Plan, system: str) -> Step | None:
    return next((step for step in plan.of(system) if step.holds_users), None)


def _touched(state: RunState, plan: Plan, system: str) -> list[Step]:
    return [step for step in plan.of(system) if state.step(step.id).status is not Status.PENDING]


def _steps(plan: Plan, systems: Sequence[str]) -> list[Step]:
    return [step for step in plan.steps if step.system in systems]
