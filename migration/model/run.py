"""The state of a run, replayed from its events by one total function; it is never stored and never guessed.

    pending ──started──▶ doing ──done──▶ done ──┐
       ▲                  │ ▲                   │ started (undo)
       │           failed,│ │started            ▼
       │           probed ▼ │        ┌──────▶ undoing ──undo-failed──▶ undo-failed
       │                 half ───────┘ undo    │  ▲                        │
       └───────────────── undone ──────────────┘  └────────────────────────┘ started (undo)

`half` means: an attempt ended and its effect was not seen; it may be done again, and it must be undone on the way back.
A probe that sees the effect makes it `doing` again: only its proofs are still owed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migration.errors import NeedsOperator
from migration.model.words import Facts, Json, ProbeState, Proof, Stage, StepId


class Kind(StrEnum):
    """What can happen; each is one kind of journal record."""

    OPENED = "opened"
    WANTED = "wanted"
    FOUND = "found"
    STARTED = "started"
    PROBED = "probed"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"
    INTERRUPTED = "interrupted"
    REPAIR = "repair"
    """Rows of a target were to be written anew because people asked for it; its phase says whether they were."""


class Verb(StrEnum):
    DO = "do"
    UNDO = "undo"


class Want(StrEnum):
    """What a person asked for; the process that holds the lease obeys the latest."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    PAUSE = "pause"


class Policy(StrEnum):
    """How much is undone when a step fails before the point of no return (docs/decisions/0007)."""

    FREEZE = "freeze"
    """The failed step and the whole freeze: the source serves again; copies and replication stay."""
    ALL = "all"
    """Everything of the system: the world is as it was at the beginning."""


class Status(StrEnum):
    PENDING = "pending"
    DOING = "doing"
    HALF = "half"
    DONE = "done"
    UNDOING = "undoing"
    UNDO_FAILED = "undo-failed"


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the journal."""

    id: int
    at: float
    run: str
    kind: Kind
    step: StepId | None
    content: Mapping[str, Json]
    hash: str = ""


@dataclass(frozen=True, slots=True)
class StepState:
    """Where one step stands."""

    status: Status = Status.PENDING
    attempts: int = 0
    began_at: float | None = None
    ended_at: float | None = None
    facts: Facts = field(default_factory=dict)
    proofs: tuple[Proof, ...] = ()
    error: Mapping[str, Json] | None = None
    effect_seen: bool = False
    """A probe after a crash found the effect; only the proofs are still owed."""
    unsure: bool = False
    """The effect may be there: a probe could not tell, or it failed past the point of no return."""
    asked_at: int = 0
    """The record that last said whether the effect is there."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed, and what is still to be undone because of it, in order."""

    step: StepId
    error: Mapping[str, Json]
    unwind: tuple[StepId, ...]
    past_point_of_no_return: bool


@dataclass(frozen=True, slots=True)
class SystemState:
    """What is wanted of one system, and what went wrong."""

    want: Want = Want.FORWARD
    until: Stage = Stage.WATCH
    policy: Policy = Policy.FREEZE
    failure: Failure | None = None
    stuck: StepId | None = None
    """The step whose undo failed: nothing goes on until a person asks again."""
    wanted_at: int = 0
    """The record of the wish that counts now."""


# Made once: a decision asks for hundreds of steps, most of which nothing was recorded of.
_UNTOUCHED, _UNSPOKEN = StepState(), SystemState()


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its events tell it."""

    id: str = ""
    plan: str = ""
    last_event: int = 0
    steps: Mapping[StepId, StepState] = field(default_factory=dict)
    systems: Mapping[str, SystemState] = field(default_factory=dict)

    def step(self, step_id: StepId) -> StepState:
        return self.steps.get(step_id, _UNTOUCHED)

    def system(self, system: str) -> SystemState:
        return self.systems.get(system, _UNSPOKEN)


_NEXT: Mapping[tuple[Status, Kind, Verb | None], Status] = {
    (Status.PENDING, Kind.STARTED, Verb.DO): Status.DOING,
    (Status.HALF, Kind.STARTED, Verb.DO): Status.DOING,
    (Status.UNDO_FAILED, Kind.STARTED, Verb.DO): Status.DOING,
    (Status.DOING, Kind.DONE, None): Status.DONE,
    (Status.DOING, Kind.FAILED, None): Status.HALF,
    (Status.DOING, Kind.PROBED, None): Status.HALF,
    (Status.HALF, Kind.PROBED, None): Status.HALF,
    (Status.DOING, Kind.INTERRUPTED, None): Status.DOING,
    (Status.DOING, Kind.STARTED, Verb.UNDO): Status.UNDOING,
    (Status.HALF, Kind.STARTED, Verb.UNDO): Status.UNDOING,
    (Status.DONE, Kind.STARTED, Verb.UNDO): Status.UNDOING,
    (Status.UNDOING, Kind.STARTED, Verb.UNDO): Status.UNDOING,
    (Status.UNDO_FAILED, Kind.STARTED, Verb.UNDO): Status.UNDOING,
    (Status.UNDOING, Kind.UNDONE, None): Status.PENDING,
    (Status.UNDOING, Kind.UNDO_FAILED, None): Status.UNDO_FAILED,
}
"""Every legal transition; any other pair is an error with a name, because it means that the journal or we are wrong."""


def replay(state: RunState, event: Event) -> RunState:
    """Return the state after one more event; raises `NeedsOperator` (journal-illegal-event) for an illegal pair."""
    state = dataclasses.replace(state, last_event=event.id)
    match event.kind:
        case Kind.OPENED:
            return dataclasses.replace(state, id=event.run, plan=str(event.content["plan"]))
        case Kind.WANTED:
            return _wanted(state, event)
        case Kind.FOUND | Kind.REPAIR:
            return state
        case Kind.INTERRUPTED if event.step is None:
            return state
        case _:
            return _step_event(state, event)


def system_of(step_id: StepId) -> str:
    """Return the system that a step id names."""
    return step_id.split("/")[1]


def _wanted(state: RunState, event: Event) -> RunState:
    systems = dict(state.systems)
    content = event.content
    names = content["systems"]
    assert isinstance(names, list)
    for name in map(str, names):
        system = state.system(name)
        want = Want(str(content["want"]))
        if want is Want.PAUSE:
            systems[name] = dataclasses.replace(system, want=want)
            continue
        # A way back that was begun is finished before anything else: citizens may be waiting at the gate.
        unfinished = want is Want.FORWARD and system.failure is not None and bool(system.failure.unwind)
        systems[name] = SystemState(
            want=want,
            until=Stage(str(content.get("until", Stage.WATCH))),
            policy=Policy(str(content.get("policy", Policy.FREEZE))),
            failure=system.failure if unfinished else None,
            wanted_at=event.id,
        )
    return dataclasses.replace(state, systems=systems)


def _step_event(state: RunState, event: Event) -> RunState:
    assert event.step is not None
    before = state.step(event.step)
    verb = Verb(str(event.content["verb"])) if event.kind is Kind.STARTED else None
    status = _NEXT.get((before.status, event.kind, verb))
    if status is None:
        raise NeedsOperator(
            "journal-illegal-event",
            what=f"record {event.id} of the journal cannot follow what came before it",
            why=f"{event.step} was {before.status} and the record says {event.kind}{f' {verb}' if verb else ''}",
            state="nothing was done; the world is as the last good record left it",
            next="dcshift status   shows the steps; keep the journal file and ask for help before running anything",
        )
    steps, systems = dict(state.steps), dict(state.systems)
    steps[event.step] = _stepped(before, status, event, verb)
    name = system_of(event.step)
    systems[name] = _judged(state.system(name), event)
    return dataclasses.replace(state, steps=steps, systems=systems)


def _stepped(before: StepState, status: Status, event: Event, verb: Verb | None) -> StepState:
    content = event.content
    match event.kind:
        case Kind.STARTED if verb is Verb.DO:
            return StepState(status, attempts=before.attempts + 1, began_at=event.at)
        case Kind.PROBED:
            answer = ProbeState(str(content["state"]))
            seen, unsure = answer is ProbeState.DONE, answer is ProbeState.UNKNOWN
            return dataclasses.replace(
                before,
                status=Status.DOING if seen else status,
                effect_seen=seen,
                unsure=unsure,
                asked_at=event.id,
            )
        case Kind.DONE:
            facts = content.get("facts")
            assert isinstance(facts, dict)
            return dataclasses.replace(
                before, status=status, ended_at=event.at, facts=facts, proofs=proofs_from(content), error=None
            )
        case Kind.FAILED | Kind.UNDO_FAILED:
            error = content["error"]
            assert isinstance(error, dict)
            is_undo = event.kind is Kind.UNDO_FAILED
            return dataclasses.replace(
                before,
                status=status,
                ended_at=event.at,
                proofs=before.proofs if is_undo else proofs_from(content),
                error=error,
                unsure=before.unsure if is_undo else bool(content["past"]),
                asked_at=before.asked_at if is_undo else event.id,
            )
        case Kind.UNDONE:
            return StepState(status, attempts=before.attempts)
        case _:
            return dataclasses.replace(before, status=status)


def _judged(system: SystemState, event: Event) -> SystemState:
    assert event.step is not None
    content = event.content
    if event.kind is Kind.FAILED:
        error, unwind = content["error"], content["unwind"]
        assert isinstance(error, dict)
        assert isinstance(unwind, list)
        steps = tuple(StepId(str(step)) for step in unwind)
        return dataclasses.replace(system, failure=Failure(event.step, error, steps, bool(content["past"])))
    if event.kind is Kind.UNDONE and system.failure is not None:
        left = tuple(step for step in system.failure.unwind if step != event.step)
        return dataclasses.replace(system, failure=dataclasses.replace(system.failure, unwind=left))
    if event.kind is Kind.UNDO_FAILED:
        return dataclasses.replace(system, stuck=event.step)
    return system


def proofs_from(content: Mapping[str, Json]) -> tuple[Proof, ...]:
    """Return the proofs that a record holds."""
    proofs = content.get("proofs") or []
    assert isinstance(proofs, list)
    found = []
    for proof in proofs:
        assert isinstance(proof, dict)
        figures, differences = proof["figures"], proof["differences"]
        assert isinstance(figures, dict)
        assert isinstance(differences, list)
        found.append(
            Proof(
                str(proof["name"]), bool(proof["passed"]), str(proof["sentence"]), figures, tuple(map(str, differences))
            )
        )
    return tuple(found)
