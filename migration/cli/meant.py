"""Finds out which plan and which systems a verb means, and says it in one line before anything else.

A move that is on its way comes before the newest plan: to make another plan must not turn `rollback`, `pause` or
`verify` away from the systems that are half moved. `run` alone begins with the newest plan, and refuses what another
one has begun.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION

if TYPE_CHECKING:
    from migration.model.plan import Plan
    from migration.store import Pinned
    from migration.wiring import Workspace


def plan_ids(incomplete: str) -> list[str]:
    """Return the plans that a shell may complete, without reading one."""
    found = (path.stem[:12] for path in SESSION.workspace().plans.glob("*.json"))
    return sorted(short for short in found if short.startswith(incomplete))


PlanOption = Annotated[
    str | None,
    typer.Option(
        help="Beginning of a plan's hash; by default the plan that is on its way, else the newest.",
        autocompletion=plan_ids,
    ),
]
"""`--plan` of every verb that looks at a move or takes it back."""


def meant(plan: str | None, systems: Sequence[str] | None = None) -> tuple[Workspace, Pinned, tuple[str, ...]]:
    """Return the workspace, the plan and its systems that are meant, and say which plan.

    Without `plan` it is the one that is on its way for these systems (for any, if none is named), else the newest.
    Raises `UsageError` (several-plans-on-their-way) when that leaves a choice.
    """
    from migration import store

    workspace = SESSION.workspace()
    newest = store.newest(workspace.plans)
    if plan is None and workspace.plans.is_dir():  # without plans nothing was begun, and no journal is made
        journal = workspace.journal()
        going = [other for _, other, moved in workspace.on_their_way(journal) if moved & set(systems or moved)]
        if len(going) > 1:
            raise _several(workspace, going)
        plan = going[0] if going else None
    pinned = store.load(workspace.plans, plan)
    chosen = chosen_systems(pinned.plan, None, systems)
    say_plan(pinned, newest)
    return workspace, pinned, chosen


def say_plan(pinned: Pinned, newest: str | None) -> None:
    """Say which plan this command speaks of; in JSON the document carries its hash."""
    if OUT.json:
        return
    other = f"; the newest plan is {newest[:6]}" if newest not in (None, pinned.plan.id) else ""
    OUT.note(f"plan {pinned.plan.id[:6]}{_planned(pinned)}: {', '.join(pinned.plan.systems())}{other}")


def chosen_systems(plan: Plan, wave: int | None, systems: Sequence[str] | None) -> tuple[str, ...]:
    """Return the plan's systems that are meant, in the order in which they move."""
    from migration.errors import UsageError

    known = plan.systems()
    in_wave = {step.system for step in plan.steps if wave in (None, step.wave)}
    chosen = tuple(name for name in known if name in in_wave and (not systems or name in systems))
    unknown = sorted(set(systems or ()) - set(known))
    if unknown or not chosen:
        raise UsageError(
            "system-unknown",
            what=f"{', '.join(unknown)} is not in this plan" if unknown else "no system of this plan is meant",
            why=f"plan {plan.id[:6]} moves {', '.join(known)} in waves {', '.join(map(str, plan.waves()))}",
            state="nothing was changed",
            next="dcshift plan   makes another plan; dcshift status shows this one",
        )
    return chosen


def _planned(pinned: Pinned) -> str:
    if pinned.planned_at is None:
        return ""
    zone = zoneinfo.ZoneInfo(pinned.catalogue.province.time_zone)
    return f" of {datetime.datetime.fromtimestamp(pinned.planned_at, zone):%Y-%m-%d %H:%M}"


def _several(workspace: Workspace, plans: Sequence[str]) -> Exception:
    from migration import store
    from migration.errors import UsageError

    moving = {other: moved for _, other, moved in workspace.on_their_way(workspace.journal())}
    listed = []
    for each in plans:
        planned = _planned(store.load(workspace.plans, each))
        listed.append(f"plan {each[:6]}{planned} moves {', '.join(sorted(moving[each]))}")
    return UsageError(
        "several-plans-on-their-way",
        what="it is not clear which of several moves is meant",
        why=f"{len(plans)} plans were begun and have not ended: {'; '.join(listed)}",
        state="nothing was changed by this command; each move stands where it stood",
        next=f"type it again with {' or '.join(f'--plan {each[:6]}' for each in plans)}",
    )
