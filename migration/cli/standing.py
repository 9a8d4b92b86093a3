"""Says from the journal where systems stand: who serves, who waits; it reads every run and claims nothing else.

A sentence such as "the source serves" may be said only from here: the command that says it may have been stopped inside
a freeze that another process, or another plan, had begun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.decisions import frozen, holding, past_point_of_no_return
from migration.errors import MigrationError

if TYPE_CHECKING:
    from migration.journal import Journal
    from migration.model.plan import Plan
    from migration.model.run import RunState
    from migration.wiring import Workspace


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one system stands, as the journal tells it."""

    plan: str
    sentence: str
    is_open: bool = False
    """It stands inside a freeze."""
    holder: str | None = None
    """The process that is at work on it now."""


def standings(workspace: Workspace, journal: Journal) -> dict[str, Standing]:
    """Return every system that a run has begun to move or has moved; of several runs, the one inside a freeze."""
    from migration import store
    from migration.model.run import system_of

    found: dict[str, Standing] = {}
    holders = journal.holders()
    for run, plan_id, _ in journal.runs():
        state = journal.state(run)
        names = sorted({system_of(step) for step in state.steps})
        try:
            plan = store.load(workspace.plans, plan_id).plan if names else None
        except MigrationError as unread:
            found |= {name: Standing(plan_id, f"where {name} stands is not known: {unread.what}") for name in names}
            continue
        for name in names:
            assert plan is not None
            is_open = frozen(state, plan, name)
            if name in found and found[name].is_open and not is_open:
                continue
            holder = holders.get(f"system:{name}")
            found[name] = Standing(plan_id, sentence(state, plan, name), is_open, str(holder) if holder else None)
    return found


def sentence(state: RunState, plan: Plan, name: str) -> str:
    """Return where a system stands in one run, for people."""
    released, is_open = past_point_of_no_return(state, plan, name), frozen(state, plan, name)
    if released:
        return f"the target serves {name}" + (" and its jobs may be armed on no side" if is_open else "")
    if holding(state, plan, name):
        return f"citizens of {name} may be waiting at the gate"
    return f"the source serves {name}" + (" and its jobs are at rest" if is_open else "")


def said(workspace: Workspace, journal: Journal, names: Iterable[str]) -> str:
    """Return where each of these systems stands; one that no run has touched is served by the source."""
    found = standings(workspace, journal)
    return ", ".join(found[name].sentence if name in found else f"the source serves {name}" for name in names)


def correct(error: MigrationError, *, after_a_result: bool = False) -> None:
    """Add to an error's state and next every freeze that is open: nobody may read "nothing was changed" and go home."""
    from migration.cli.session import SESSION

    if after_a_result:
        error.state = "what is said above was done; nothing more was changed"
    try:
        workspace = SESSION.workspace()
        if not (workspace.state / "journal.sqlite").is_file():
            return
        open_now = {name: each for name, each in standings(workspace, workspace.journal()).items() if each.is_open}
    except (MigrationError, OSError) as unread:
        if error.code != "journal-unusable":
            error.state += f"; whether citizens wait is not known, because the journal cannot be read ({unread})"
        return
    for each in open_now.values():
        if each.sentence not in error.state:
            error.state += f"; {each.sentence}" + (f", and {each.holder} is at work on it" if each.holder else "")
        if each.holder is None and f"run --plan {each.plan[:6]}" not in error.next:
            error.next = f"dcshift run --plan {each.plan[:6]}   ends the freeze; then: {error.next}"
