"""`dcshift report`: writes the evidence of a run as one HTML file and its JSON; it changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT


def register(app: typer.Typer) -> None:
    @app.command()
    def report(
        out: Annotated[
            Path | None, typer.Option(help="Folder to write to; report/ in the state folder by default.")
        ] = None,
        traffic: Annotated[
            Path | None, typer.Option(help="Citizens' statistics, as `dcshift lab traffic` writes them.")
        ] = None,
        plan: PlanOption = None,
    ) -> int:
        """Write the evidence: what moved, how much, each proof, how long citizens waited."""
        from migration.report import evidence, page

        workspace, pinned, _ = meant(plan)
        journal = workspace.journal()
        run = journal.open_run(pinned.plan.id)
        statistics = json.loads(traffic.read_text(encoding="utf-8")) if traffic else None
        document = evidence.collect(
            pinned, run, journal.events(run), journal.verify_chain(), now=workspace.clock.now(), traffic=statistics
        )
        folder = out or workspace.state / "report"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        (folder / "report.html").write_text(page.render(document), encoding="utf-8")
        OUT.result(
            document | {"file": str(folder / "report.html")}, lambda: print(f"evidence → {folder / 'report.html'}")
        )
        return 0
