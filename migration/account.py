"""Counts from the records of a run what people want to know: how long, how much, how often, what was proved; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migration.decisions import holding, past_point_of_no_return
from migration.model.plan import Plan, Step
from migration.model.run import Event, Kind, RunState, Status, Verb, Want, replay
from migration.model.words import Proof, StepId


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt or way back, as the journal tells it."""

    step: StepId
    verb: Verb
    began_at: float
    ended_at: float | None
    outcome: str
    """The kind of the record that ended it; `lost` when its process died."""


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """One system in numbers."""

    system: str
    state: str
    """untouched, moving, held, released, moved, failed, stuck or rolled back."""
    steps_done: int
    steps: int
    hold_seconds: float | None
    """How long requests were held, in the hold that ended with the release; None while there was none."""
    proofs: tuple[Proof, ...]

    @property
    def proofs_passed(self) -> int:
        return sum(proof.passed for proof in self.proofs)

    @property
    def proofs_failed(self) -> int:
        return sum(not proof.passed for proof in self.proofs)


def state_of(events: Iterable[Event]) -> RunState:
    """Return the state that these records of one run lead to."""
    state = RunState()
    for event in events:
        state = replay(state, event)
    return state


def spans(events: Iterable[Event]) -> list[Span]:
    """Return every attempt and way back in order of its beginning."""
    found: list[Span] = []
    running: dict[StepId, tuple[Verb, float]] = {}
    for event in events:
        if event.step is None:
            continue
        if event.kind is Kind.STARTED:
            _close(found, running, event.step, event.at, "lost")
            running[event.step] = (Verb(str(event.content["verb"])), event.at)
        elif event.kind is Kind.PROBED and event.content["state"] != "done":
            _close(found, running, event.step, event.at, "lost")
        elif event.kind in (Kind.DONE, Kind.FAILED, Kind.UNDONE, Kind.UNDO_FAILED):
            _close(found, running, event.step, event.at, event.kind)
    found += [Span(step, verb, began, None, "running") for step, (verb, began) in running.items()]
    return sorted(found, key=lambda span: span.began_at)


def accounts(plan: Plan, events: Sequence[Event]) -> list[SystemAccount]:
    """Return every system of the plan in numbers."""
    state = state_of(events)
    found = []
    for name in plan.systems():
        steps = plan.of(name)
        found.append(
            SystemAccount(
                system=name,
                state=_state(plan, state, name),
                steps_done=sum(state.step(step.id).status is Status.DONE for step in steps),
                steps=len(steps),
                hold_seconds=_hold_seconds(steps, events),
                proofs=tuple(proof for step in steps for proof in state.step(step.id).proofs),
            )
        )
    return found


def overhead_ratio(events: Sequence[Event]) -> float:
    """Return the share of the wall time of all processes in which no step was at work: leases, records, decisions."""
    wall, began, last = 0.0, None, 0.0
    for event in events:
        if event.kind is Kind.WANTED:
            wall += last - began if began is not None else 0.0
            began = event.at
        last = event.at
    wall += last - began if began is not None else 0.0
    worked = sum((span.ended_at or span.began_at) - span.began_at for span in spans(events) if span.outcome != "lost")
    return round(max(0.0, 1 - worked / wall), 4) if wall > 0 else 0.0


def _close(found: list[Span], running: dict[StepId, tuple[Verb, float]], step: StepId, at: float, outcome: str) -> None:
    if step in running:
        verb, began = running.pop(step)
        found.append(Span(step, verb, began, at, outcome))


def _hold_seconds(steps: Sequence[Step], events: Sequence[Event]) -> float | None:
    first = next(step.id for step in steps if step.holds_users)
    release = next(step.id for step in steps if step.point_of_no_return)
    began = begun_release = held = None
    for event in events:
        if event.step == first and event.kind is Kind.STARTED and event.content["verb"] == Verb.DO:
            began = event.at
        elif event.step == release and event.kind is Kind.STARTED:
            begun_release = event.at
        elif event.step == release and event.kind in (Kind.DONE, Kind.FAILED) and began is not None:
            # Citizens are served from the effect of the release on; its proofs come after that.
            effect = event.content.get("effect_seconds")
            ended = begun_release + effect if isinstance(effect, float) and begun_release is not None else event.at
            held = round(ended - began, 3)
    return held


def _state(plan: Plan, state: RunState, name: str) -> str:
    system = state.system(name)
    statuses = [state.step(step.id).status for step in plan.of(name)]
    done = sum(status is Status.DONE for status in statuses)
    moving = any(status is not Status.PENDING for status in statuses)
    words = (
        (system.stuck is not None or (system.failure is not None and system.failure.past_point_of_no_return), "stuck"),
        (done == len(statuses), "moved"),
        (holding(state, plan, name), "held"),
        (past_point_of_no_return(state, plan, name), "released"),
        (system.failure is not None, "failed"),
        (not moving, "rolled back" if system.want is Want.ROLLBACK else "untouched"),
    )
    return next((word for is_so, word in words if is_so), "moving")
