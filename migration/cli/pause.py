"""`dcshift pause`: asks whoever moves a system to stop at a safe place; it stops nothing by itself."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT

if TYPE_CHECKING:
    from migration.store import Pinned
    from migration.wiring import Workspace


def register(app: typer.Typer) -> None:
    @app.command()
    def pause(
        systems: Annotated[
            list[str] | None, typer.Argument(help="Systems to pause; all of the plan by default.")
        ] = None,
        plan: PlanOption = None,
    ) -> int:
        """Ask a running move to stop at the next safe place; `dcshift run` goes on from there."""
        workspace, pinned, chosen = meant(plan, systems)
        return _pause(workspace, pinned, chosen)


def _pause(workspace: Workspace, pinned: Pinned, chosen: Sequence[str]) -> int:
    """Record the wish; who is at work obeys it before the next step, and inside a freeze after its end."""
    from migration.cli.standing import standings
    from migration.errors import UsageError
    from migration.model.run import Kind, Want

    journal = workspace.journal()
    holders = journal.holders()
    at_work = [name for name in chosen if f"system:{name}" in holders]
    frozen = [name for name, each in standings(workspace, journal).items() if each.is_open and name in chosen]
    if frozen and not at_work:
        raise UsageError(
            "nobody-to-pause",
            what=f"there is nobody at work on {', '.join(frozen)} who could stop at a safe place",
            why="the process that moved it was ended inside a freeze, which no pause can end",
            state="nothing was changed by this command",
            next=f"dcshift rollback {' '.join(frozen)} --plan {pinned.plan.id[:6]}   ends it too, backwards",
        )
    content = {"want": Want.PAUSE, "systems": list(chosen), "by": getpass.getuser()}
    journal.append(journal.open_run(pinned.plan.id), Kind.WANTED, content=content)  # type: ignore[arg-type]

    def people() -> None:
        if at_work:
            print(f"{', '.join(at_work)} will stop before the next step; inside a freeze, after it is ended")
        else:
            print(f"nobody is at work on {', '.join(chosen)}: there is nothing to stop\nnext: dcshift run")

    OUT.result({"plan": pinned.plan.id, "paused": list(chosen), "at_work": at_work}, people)
    return 0
