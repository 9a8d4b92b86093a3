"""`dcshift report`: writes the evidence of a run as one HTML file and its JSON; it changes nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT

_STATISTICS_BYTES_MAX = 16 * 1024 * 1024
"""The load generator's file has a few kilobytes; what is longer is something else, perhaps without an end."""


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
        statistics = _statistics(traffic) if traffic else None
        document = evidence.collect(
            pinned, run, journal.events(run), journal.verify_chain(), now=workspace.clock.now(), traffic=statistics
        )
        folder = out or workspace.state / "report"
        _write(
            folder,
            {"report.json": json.dumps(document, ensure_ascii=False, indent=1), "report.html": page.render(document)},
        )
        OUT.result(
            document | {"file": str(folder / "report.html")}, lambda: print(f"evidence → {folder / 'report.html'}")
        )
        return 0


def _statistics(file: Path) -> Mapping[str, Any]:
    from migration.errors import UsageError
    from migration.report import citizens

    try:
        with file.open("rb") as stream:
            text = stream.read(_STATISTICS_BYTES_MAX + 1)
        if len(text) > _STATISTICS_BYTES_MAX:
            raise ValueError(f"it has more than {_STATISTICS_BYTES_MAX:,} bytes")
        return citizens.statistics(text)
    except (OSError, ValueError) as bad:
        raise UsageError(
            "statistics-unusable",
            what=f"{file} does not hold citizens' statistics",
            why=str(bad),
            state="no report was written; the journal is as it was",
            next="name the traffic.json that dcshift lab traffic wrote, or leave --traffic out",
        ) from bad


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write all of them beside their places before the first is put into its own: half a report is no evidence."""
    from migration.errors import UsageError

    fresh = {folder / f".{name}.new": folder / name for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(fresh, files.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        for path, final in fresh.items():
            path.replace(final)
    except OSError as bad:
        for path in fresh:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise UsageError(
            "report-not-written",
            what=f"the report could not be written to {folder}",
            why=str(bad),
            state="the journal has all of the evidence and is as it was",
            next="dcshift report --out FOLDER   a folder that can be written to",
        ) from bad
