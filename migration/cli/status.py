"""`dcshift status`: where every system is, how far, since when; it only reads the journal."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT, console, seconds, whoever_listens
from migration.cli.throttle import held, said
from migration.cli.watching import Ended, ended

if TYPE_CHECKING:
    from rich.console import Group

    from migration.journal import Journal
    from migration.model.plan import Plan
    from migration.wiring import Workspace

_SIGNS = {
    "pending": "[dim]·[/]",
    "doing": "[cyan]▶[/]",
    "half": "[yellow]◐[/]",
    "done": "[green]✓[/]",
    "undoing": "[yellow]↩[/]",
    "undo-failed": "[bold red]✗[/]",
}

_LOOK_SECONDS = 1.0
_NOBODY_SECONDS = 5.0
"""Between two turns, and while it waits for a host, a process holds no lease for a moment: then nobody is there."""


def register(app: typer.Typer) -> None:
    @app.command()
    def status(
        watch: Annotated[
            bool,
            typer.Option("--watch", "-w", help="Show until nobody is at work; the status says how it ended."),
        ] = False,
        plan: PlanOption = None,
    ) -> int:
        """Show where every system is, how far, and who moves it."""
        workspace, pinned, _ = meant(plan)
        journal = workspace.journal()
        if watch:
            return _watch(workspace, journal, pinned.plan)
        document = _document(workspace, journal, pinned.plan)
        OUT.result(document, lambda: console().print(_picture(document)))
        return 0


def _watch(workspace: Workspace, journal: Journal, plan: Plan) -> int:
    """Show until nobody is at work on it; say how it ended and return the exit status of that."""
    how: Ended | None = None
    try:
        with whoever_listens(sys.stdout), _view() as show:
            how = _until_nobody_is_there(workspace, journal, plan, show)
    except KeyboardInterrupt:
        OUT.told = True  # the watch was ended, not the move: there is nothing to say
        return 130
    if how is None:
        return 0  # nobody reads any more
    document = _document(workspace, journal, plan)
    document["ended"] = {"sentence": how.sentence, "next": how.next, "exit_code": how.exit_code}
    OUT.result(document, lambda: print(f"ended: {how.sentence}\nnext: {how.next}"))
    return how.exit_code


@contextlib.contextmanager
def _view() -> Iterator[Callable[[dict[str, Any]], None]]:
    if OUT.json:
        yield lambda document: None
        return
    from rich.live import Live

    with Live(console=console(), refresh_per_second=4, transient=False) as view:
        yield lambda document: view.update(_picture(document))


def _until_nobody_is_there(
    workspace: Workspace, journal: Journal, plan: Plan, show: Callable[[dict[str, Any]], None]
) -> Ended:
    clock, alone_since = workspace.clock, None
    run = journal.open_run(plan.id)
    ours = {lease for step in plan.steps for lease in (*step.leases, f"system:{step.system}")}
    while True:
        document = _document(workspace, journal, plan)
        show(document)
        if ours & document["holders"].keys():
            alone_since = None
        elif alone_since is None:
            alone_since = clock.monotonic()
        is_moved = all(system["state"] == "moved" for system in document["systems"].values())
        if alone_since is not None and (is_moved or clock.monotonic() - alone_since >= _NOBODY_SECONDS):
            return ended(plan, journal.events(run), clock.now())
        clock.sleep(_LOOK_SECONDS)


def _document(workspace: Workspace, journal: Journal, plan: Plan) -> dict[str, Any]:
    from migration.account import accounts

    run = journal.open_run(plan.id)
    events = journal.events(run)
    state = journal.state(run)
    now = workspace.clock.now()
    steps = []
    for step in plan.steps:
        seen = state.step(step.id)
        ended = seen.ended_at if seen.status != "doing" else now
        took = round(ended - seen.began_at, 1) if ended and seen.began_at else None
        steps.append(
            {"id": step.id, "system": step.system, "status": seen.status, "attempts": seen.attempts, "seconds": took}
        )
    systems = {}
    for each in accounts(plan, events):
        failure = state.system(each.system).failure
        limits = held(workspace.state / "systems" / each.system)
        systems[each.system] = {
            "state": each.state,
            "want": state.system(each.system).want,
            "steps_done": each.steps_done,
            "steps": each.steps,
            "proofs_passed": each.proofs_passed,
            "proofs_failed": each.proofs_failed,
            "hold_seconds": each.hold_seconds,
            "bytes_per_second_max": limits.bytes_per_second,
            "source_limits": dataclasses.asdict(limits.source),
            "limits": said(limits),
            "engine": dataclasses.asdict(engine) if (engine := plan.engine(each.system)) else None,
            "error": dict(failure.error) if failure else None,
        }
    holders = {resource: str(holder) for resource, holder in journal.holders().items()}
    progress = None
    if workspace.progress.is_file() and holders:
        try:
            progress = json.loads(workspace.progress.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            progress = None  # it was being replaced: the next look sees it
    return {
        "plan": plan.id,
        "run": run,
        "systems": systems,
        "steps": steps,
        "holders": holders,
        "progress": progress,
        "records": events[-1].id if events else 0,
    }


def _picture(document: dict[str, Any]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Any] = []
    for name, system in document["systems"].items():
        steps = [step for step in document["steps"] if step["system"] == name]
        signs = Text.from_markup(" ".join(_SIGNS[step["status"]] for step in steps))
        head = Table.grid(padding=(0, 2))
        colour = {"moved": "green", "stuck": "bold red", "failed": "red", "held": "yellow"}.get(system["state"], "cyan")
        head.add_row(
            f"[bold]{name}[/]", f"[{colour}]{system['state']}[/]", signs, f"{system['steps_done']}/{system['steps']}"
        )
        parts.append(head)
        now = [step for step in steps if step["status"] not in ("pending", "done")]
        for step in now:
            doing = ""
            if document["progress"] and document["progress"]["step"] == step["id"]:
                doing = f"  {document['progress']['said']}"
            parts.append(Text(f"    {step['id']}  {step['status']}  {seconds(step['seconds'])}{doing}"))
        if system["engine"]:
            parts.append(Text(f"    database by the engine {system['engine']['name']}: {system['engine']['why']}"))
        if system["hold_seconds"] is not None:
            parts.append(Text(f"    requests were held {system['hold_seconds']:.1f} s"))
        if system["limits"]:
            parts.append(Text(f"    copied {system['limits']} (dcshift throttle)"))
        if system["error"]:
            parts.append(Text(f"    {system['error']['what']}: {system['error']['why']}"))
    owners = sorted(set(document["holders"].values()))
    parts.append(Text(f"plan {document['plan'][:6]}  {document['run']}  {document['records']} records"))
    parts.append(Text(f"at work: {', '.join(owners)}" if owners else "nobody is at work"))
    return Group(*parts)
