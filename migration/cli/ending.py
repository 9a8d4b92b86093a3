"""Says how a run ended: result first, what was done, why it stopped, the next command; no more than it knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from migration.account import accounts, overhead_ratio, spans
from migration.cli.output import OUT, finding_rows, plural, print_findings, seconds
from migration.cli.standing import said
from migration.decisions import holding, past_point_of_no_return
from migration.errors import BlockedError
from migration.journal import Journal
from migration.model.ending import Ending, Outcome, Wish
from migration.model.plan import Plan
from migration.model.words import Finding, Severity, Side

if TYPE_CHECKING:
    from migration.wiring import Workspace

_EXIT = {
    Outcome.DONE: 0,
    Outcome.ROLLED_BACK: 0,
    Outcome.FAILED: 1,
    Outcome.REFUSED: 2,
    Outcome.BUSY: 2,
    Outcome.BLOCKED: 3,
    Outcome.STUCK: 4,
    Outcome.PAUSED: 130,
    Outcome.INTERRUPTED: 130,
}

_MORE = {
    Outcome.INTERRUPTED: "a mover that was started goes on by itself",
    Outcome.BLOCKED: "this step changed nothing",
    Outcome.BUSY: "this command changed nothing",
    Outcome.PAUSED: "what was done stays",
}
"""What a person must know besides who serves."""


def exit_code(ending: Ending) -> int:
    return _EXIT[ending.outcome]


def blocked(findings: Iterable[Finding], what: str, state: str) -> BlockedError:
    """Return the error that names every blocker; `state` is what the journal tells."""
    blockers = [found for found in findings if found.severity is Severity.BLOCKER]
    return BlockedError(
        "blocked",
        what=f"{what}: {len(blockers)} blocker{'s' if len(blockers) > 1 else ''}",
        why="\n         ".join(f"[{found.code}] {found.where}: {found.what}" for found in blockers),
        state=state,
        next="; ".join(dict.fromkeys(found.next for found in blockers)),
    )


def say(workspace: Workspace, plan: Plan, journal: Journal, ending: Ending, wish: Wish) -> None:
    """Print the summary on stdout, and what went wrong on stderr."""
    run = journal.open_run(plan.id)
    events = journal.events(run)
    counted = [each for each in accounts(plan, events) if each.system in wish.systems]
    document: dict[str, Any] = {
        "run": run,
        "plan": plan.id,
        "outcome": ending.outcome,
        "exit_code": exit_code(ending),
        "system": ending.system,
        "step": ending.step,
        "error": _error(journal, plan, ending),
        "findings": finding_rows(ending.findings),
        "hold_seconds": {each.system: each.hold_seconds for each in counted if each.hold_seconds is not None},
        "overhead_ratio": overhead_ratio(events),
        "systems": {
            each.system: {
                "state": each.state,
                "steps_done": each.steps_done,
                "steps": each.steps,
                "hold_seconds": each.hold_seconds,
                "proofs_passed": each.proofs_passed,
                "proofs_failed": each.proofs_failed,
            }
            for each in counted
        },
    }

    state = journal.state(run)
    waiting = [
        name for name in wish.systems if holding(state, plan, name) and not past_point_of_no_return(state, plan, name)
    ]
    document["citizens_waiting"] = waiting
    document["serving"] = {name: _serving(journal, plan, name) for name in wish.systems}
    document["next"] = _next(ending)

    def people() -> None:
        took = sum((span.ended_at or span.began_at) - span.began_at for span in spans(events))
        print(f"\n{_headline(ending)}   ({seconds(took)} of work in this run so far)")
        for each in counted:
            held = f"  requests held {each.hold_seconds:.1f} s" if each.hold_seconds is not None else ""
            proofs = f"  {plural(each.proofs_passed, 'proof')} passed" if each.proofs else ""
            print(f"  {each.system:<12} {each.state:<12} {each.steps_done} of {each.steps} steps{proofs}{held}")
        if ending.findings:
            print_findings(ending.findings)
        if ending.outcome in _MORE:
            print(f"state: {said(workspace, journal, wish.systems)}; {_MORE[ending.outcome]}")
        for name in waiting:
            print(f"! citizens of {name} are waiting at the gate until this is mended")
        print(f"next: {_next(ending)}")

    OUT.result(document, people)
    if ending.outcome in (Outcome.FAILED, Outcome.STUCK) and document["error"]:
        error, where = document["error"], said(workspace, journal, [ending.system] if ending.system else wish.systems)
        OUT.error(
            error,
            f"error[{error['code']}]: {error['what']}\n  why:   {error['why']}\n"
            f"  state: {where}; {_undone(ending, error)}\n  next:  {error['next']}",
        )


def _serving(journal: Journal, plan: Plan, system: str) -> Side:
    state = journal.state(journal.open_run(plan.id))
    return Side.TARGET if past_point_of_no_return(state, plan, system) else Side.SOURCE


def _error(journal: Journal, plan: Plan, ending: Ending) -> dict[str, Any] | None:
    if ending.step is None:
        return None
    for event in reversed(journal.events(journal.open_run(plan.id))):
        if event.step == ending.step and isinstance(event.content.get("error"), dict):
            return dict(event.content["error"])  # type: ignore[arg-type]
    return None


def _headline(ending: Ending) -> str:
    return {
        Outcome.DONE: "Done.",
        Outcome.ROLLED_BACK: "Taken back: the source serves, and everything that was put in place is gone.",
        Outcome.FAILED: f"Failed at {ending.step} and undone: the source serves, nothing was lost.",
        Outcome.STUCK: f"Stopped at {ending.step}: a person must look.",
        Outcome.REFUSED: f"Refused: {ending.system} was released to the target, or nobody can say that it was not.",
        Outcome.PAUSED: "Paused.",
        Outcome.INTERRUPTED: f"Stopped safely: {ending.sentence}.",
        Outcome.BLOCKED: f"Blocked: {ending.sentence}.",
        Outcome.BUSY: f"Not begun: {ending.sentence}.",
    }[ending.outcome]


def _undone(ending: Ending, error: dict[str, Any]) -> str:
    if ending.outcome is Outcome.FAILED:
        return f"what this step did was undone ({error['state']})"
    return str(error["state"])


def _next(ending: Ending) -> str:
    match ending.outcome:
        case Outcome.DONE:
            return "dcshift status; dcshift report"
        case Outcome.FAILED:
            return "dcshift run   tries again from here; dcshift rollback takes the rest back"
        case Outcome.STUCK:
            return f"look at {ending.step}, mend it, then dcshift run"
        case Outcome.BUSY:
            return "dcshift status -w   shows what the other process does"
        case Outcome.BLOCKED:
            return "mend what is named above, then dcshift run"
        case _:
            return "dcshift run"
