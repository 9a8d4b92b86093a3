"""What every step is made of: its verbs over the moves of one system; it knows no adapter and keeps no state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from migration.errors import StepFailed
from migration.model.words import Component, Facts, Finding, Probe, ProbeState, Proof, Stage
from migration.ports import Clock, Moves, OnProgress


@dataclass(frozen=True, slots=True)
class Turn:
    """What a verb may use: the moves of its system, and what earlier steps of that system found out."""

    moves: Moves
    clock: Clock
    on_progress: OnProgress
    facts: Mapping[tuple[Stage, Component], Facts]
    hold_seconds_left: float | None = None
    """How long citizens may still be kept waiting for what is asked now; None when nobody waits."""


def _nothing(_: Turn) -> Facts:
    return {}


def _no_way_back_needed(_: Moves) -> None:
    return None


def _no_proofs(_: Turn) -> Sequence[Proof]:
    return ()


def _no_findings(_: Moves) -> Sequence[Finding]:
    return ()


def leaves_no_trace(_: Moves) -> Probe:
    """Probe of a step that only reads: after a crash it is simply done again."""
    return Probe(ProbeState.NOT_DONE, "this step only reads, so it is done again")


@dataclass(frozen=True, slots=True)
class Handler:
    """The verbs of one stage for one component.

    `do` may be called again at any time and `undo` when nothing, half or all was done; `idempotent=False` says that it
    is not so, and then an unknown probe stops the run for a person.
    """

    do: Callable[[Turn], Facts] = _nothing
    probe: Callable[[Moves], Probe] = leaves_no_trace
    undo: Callable[[Moves], None] = _no_way_back_needed
    proofs: Callable[[Turn], Sequence[Proof]] = _no_proofs
    check: Callable[[Moves], Sequence[Finding]] = _no_findings
    idempotent: bool = True
    undo_is_seen: bool = False
    """The same probe tells that the undo reached its effect: it must not answer done afterwards."""


def wait_until(clock: Clock, probe: Callable[[], Probe], *, what: str, limit_seconds: float) -> Probe:
    """Ask until the answer is done; raises `StepFailed` (not-ready-in-time) with the last answer at the limit."""
    deadline = clock.monotonic() + limit_seconds
    while True:
        answer = probe()
        if answer.state is ProbeState.DONE:
            return answer
        if clock.monotonic() >= deadline:
            raise StepFailed(
                "not-ready-in-time",
                what=f"{what} was not ready in {limit_seconds:.0f} s",
                why=answer.sentence,
                state="the source serves as before; this step changed nothing",
                next="mend what the last answer says, then dcshift run",
            )
        clock.sleep(1.0)
