"""`dcshift plan`: makes the plan and prints it as people read it; it changes nothing but the plan's own file."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli.output import OUT, console, plural, seconds
from migration.cli.session import SESSION

if TYPE_CHECKING:
    from migration.model.plan import Plan


class Engine(StrEnum):
    """How a database is copied: row by row, or by the files of its server."""

    LOGICAL = "logical"
    PHYSICAL = "physical"


def register(app: typer.Typer) -> None:
    @app.command()
    def plan(
        wave: Annotated[int | None, typer.Option(help="Only systems of this wave.")] = None,
        system: Annotated[list[str] | None, typer.Option(help="Only this system; may be repeated.")] = None,
        engine: Annotated[
            Engine | None, typer.Option(help="Copy databases so, logical or physical, and not as the planner chooses.")
        ] = None,
    ) -> int:
        """Make the plan from catalogue, inventory and target contracts; print it."""
        from migration import planner
        from migration.errors import UsageError
        from migration.store import Pinned
        from migration.wiring import usable

        workspace = SESSION.workspace()
        catalogue = workspace.catalogue()
        chosen = [
            each.id for each in catalogue.systems if wave in (None, each.wave) and (not system or each.id in system)
        ]
        unknown = sorted(set(system or ()) - {each.id for each in catalogue.systems})
        if unknown or not chosen:
            raise UsageError(
                "system-unknown",
                what=f"there is no system {', '.join(unknown)}" if unknown else f"no system moves in wave {wave}",
                why=f"the catalogue has: {', '.join(f'{each.id} (wave {each.wave})' for each in catalogue.systems)}",
                state="no plan was made; nothing was changed",
                next="dcshift catalogue check   lists the systems",
            )
        inventory = workspace.inventory()
        contracts = usable(workspace.contracts(chosen))
        made = planner.plan(catalogue, inventory, contracts, systems=chosen, engine=engine)
        path = workspace.pin(Pinned(made, catalogue, inventory, contracts))
        OUT.result({"id": made.id, "file": str(path), **dataclasses.asdict(made)}, lambda: print_plan(made))
        return 0


def print_plan(plan: Plan) -> None:
    """Print waves, steps, sentences, budgets, engines; a line shows where there is no way back."""
    from rich.table import Table

    out = console()
    for wave in plan.waves():
        steps = [step for step in plan.steps if step.wave == wave]
        out.print(f"\n[bold]Wave {wave}[/]  {', '.join(dict.fromkeys(step.system for step in steps))}")
        table = Table(box=None, header_style="dim", pad_edge=False)
        for column, justify in (("step", "left"), ("what it does", "left"), ("proofs", "right"), ("budget", "right")):
            table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
        for step in steps:
            mark = "[yellow]▌[/]" if step.holds_users else " "
            sentence = f"[bold]{step.sentence}[/]" if step.point_of_no_return else step.sentence
            name = f"{step.system}/{step.component}/{step.stage}"
            table.add_row(f"{mark} {name}", sentence, str(len(step.proofs) or ""), seconds(step.budget_seconds))
            if step.point_of_no_return:
                table.add_row("[red]── no way back from here ──[/]", "", "", "")
        out.print(table)
    for engine in plan.engines:
        out.print(f"[bold]{engine.system}/database[/] is copied by the engine [bold]{engine.name}[/]: {engine.why}")
    holds = ", ".join(f"{name} {value:.0f} s" for name, value in plan.hold_max_seconds)
    out.print(f"\n[yellow]▌[/] citizens' requests wait (they are not refused); allowed: {holds}")
    out.print(
        f"plan [bold]{plan.id[:6]}[/]  {plural(len(plan.steps), 'step')}, {plural(len(plan.waves()), 'wave')}, "
        f"catalogue {plan.catalogue_hash[:6]}, inventory {plan.inventory_hash[:6]}"
    )
    out.print("next: dcshift check, then dcshift run")
