"""Turns what verbs answered into records and judgements: what was proved, what was asked, what went wrong; pure."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from migration.errors import MigrationError, NeedsOperator, StepFailed
from migration.model.plan import Step
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof
from migration.ports import Moves

_DIFFERENCES_MAX = 20


def assert_proved(step: Step, proofs: Sequence[Proof]) -> None:
    """Raise `StepFailed` unless every proof that the step owes was given and every given one passed."""
    failed = [proof for proof in proofs if not proof.passed]
    missing = [
        owed
        for owed in step.proofs
        if not any(proof.name == owed or proof.name.startswith(f"{owed}/") for proof in proofs)
    ]
    if not failed and not missing:
        return
    why = [
        f"{proof.name}: {proof.sentence}" + "".join(f"\n         {d}" for d in proof.differences[:5])
        for proof in failed
    ]
    why += [f"{name}: this proof is owed and was not given" for name in missing]
    raise StepFailed(
        "proof-failed",
        what=f"{step.id} reached its effect, but {len(failed) + len(missing)} of its proofs did not pass",
        why="; ".join(why),
        state="the step does not count as done",
        next=f"dcshift verify {step.system}   compares again; dcshift report shows every difference",
    )


def assert_undone(step: Step, answer: Probe) -> None:
    """Raise `NeedsOperator` when the world still shows the effect that an undo said it took back."""
    if answer.state is not ProbeState.DONE:
        return
    raise NeedsOperator(
        "undo-without-effect",
        what=f"the way back of {step.id} was taken, but its effect is still there",
        why=answer.sentence,
        state="nothing more was undone, so that nothing happens out of order",
        next="look at the component on both sides, mend it, then dcshift rollback again",
    )


def ask(probe: Callable[[Moves], Probe], moves: Moves) -> Probe:
    """Return the world's answer; a probe that cannot be asked is unknown, with its reason."""
    try:
        return probe(moves)
    except Exception as failure:
        return Probe(ProbeState.UNKNOWN, f"it could not be asked: {' '.join(str(failure).split())}")


def as_error(failure: Exception, step: Step) -> MigrationError:
    """Return the failure in four thoughts; one that is not ours names its place, because it is a fault of dcshift."""
    if isinstance(failure, MigrationError):
        return failure
    frame = traceback.extract_tb(failure.__traceback__)[-1]
    error = StepFailed(
        "unexpected-error",
        what=f"{step.id} met an error that dcshift does not know",
        why=f"{type(failure).__name__}: {failure} (at {Path(frame.filename).name}:{frame.lineno})",
        state="it was treated like any failed step",
        next="dcshift status   shows what was undone; please report this line: it is a fault of dcshift",
    )
    error.__cause__ = failure
    return error


def unknown_effect(step: Step, answer: Probe) -> dict[str, Json]:
    """Return the error of a step that nobody may repeat blindly."""
    return {
        "code": "effect-unknown",
        "what": f"nobody can say whether {step.id} happened",
        "why": answer.sentence,
        "state": "nothing more was done; this step must not be repeated blindly",
        "next": "look at both sides, mend what you find, then dcshift run",
    }


def held_too_long(step: Step, limit_seconds: float) -> StepFailed:
    """Return the error of a freeze that is given up for the citizens' sake."""
    return StepFailed(
        "hold-too-long",
        what=f"the freeze of {step.system} was given up",
        why=f"citizens had waited longer than {limit_seconds:.0f} s, three times what the catalogue allows",
        state="the source was stopped, never changed",
        next="dcshift status   shows which step took long; then dcshift run",
    )


def blocked_inside_the_freeze(step: Step, blockers: Sequence[Finding]) -> StepFailed:
    """Return the error of a freeze that is taken back because of what a check found in the middle of it."""
    return StepFailed(
        "blocked-inside-the-freeze",
        what=f"{step.id} was not begun, and the freeze of {step.system} is taken back",
        why="; ".join(f"[{found.code}] {found.where}: {found.what}" for found in blockers),
        state="the step changed nothing",
        next="; ".join(dict.fromkeys(found.next for found in blockers)),
    )


def of_finding(finding: Finding) -> dict[str, Json]:
    return {
        "severity": finding.severity,
        "code": finding.code,
        "where": finding.where,
        "what": finding.what,
        "next": finding.next,
    }


def of_proof(proof: Proof) -> dict[str, Json]:
    return {
        "name": proof.name,
        "passed": proof.passed,
        "sentence": proof.sentence,
        "figures": plain(proof.figures),
        "differences": list(proof.differences[:_DIFFERENCES_MAX]),
    }


def plain(facts: Facts) -> dict[str, Json]:
    """Return facts as plain JSON; what is not JSON becomes its text, because a record must never be refused for it."""
    made = json.loads(json.dumps(dict(facts), default=str))
    assert isinstance(made, dict)
    return made
