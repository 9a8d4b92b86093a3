"""`dcshift check`: everything that speaks against the plan now, with what to do; it only reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT, finding_rows, plural, print_findings

if TYPE_CHECKING:
    from migration.model.words import Finding


def register(app: typer.Typer) -> None:
    @app.command()
    def check(
        system: Annotated[list[str] | None, typer.Option(help="Only this system; may be repeated.")] = None,
        plan: PlanOption = None,
    ) -> int:
        """Look at catalogue, source and target; list findings by severity; blockers forbid to run."""
        from migration import checks
        from migration.decisions import past_point_of_no_return
        from migration.model.words import Component, Stage
        from migration.stages.registry import handler

        workspace, pinned, chosen = meant(plan, system)
        journal = workspace.journal()
        state = journal.state(journal.open_run(pinned.plan.id))
        # What is released cannot be checked as if it were still to be moved.
        open_systems = [name for name in chosen if not past_point_of_no_return(state, pinned.plan, name)]
        findings = workspace.present_findings(pinned, open_systems)
        findings += workspace.other_run_findings(journal, pinned.plan.id, open_systems)
        findings += [
            _softened(found) for found in checks.window_findings(pinned.catalogue.province, workspace.clock.now())
        ]
        findings += workspace.reach_findings(pinned, open_systems)
        findings += workspace.readiness_findings(pinned, open_systems)
        build = workspace.moves(pinned)
        for name in open_systems:
            moves = build(name, lambda: 0)
            for component in Component:
                OUT.note(f"… checking {name}/{component}")
                ask = handler(Stage.PREPARE, component).check
                findings += _asked(lambda ask=ask, moves=moves: ask(moves), f"{name}/{component}")  # type: ignore[misc]
        blocked = checks.blocks(findings)
        document = {"plan": pinned.plan.id, "blocked": blocked, "findings": finding_rows(findings)}

        def people() -> None:
            print_findings(findings)
            count = sum(found.severity == "blocker" for found in findings)
            print(
                f"state: this check changed nothing\n{plural(count, 'blocker')}: nothing may run"
                if blocked
                else f"nothing forbids to run ({len(findings)} findings)"
            )

        OUT.result(document, people)
        return 3 if blocked else 0


def _asked(ask: Callable[[], Sequence[Finding]], where: str) -> list[Finding]:
    from migration.errors import MigrationError
    from migration.model.words import Finding, Severity

    try:
        return list(ask())
    except MigrationError as error:
        return [Finding(Severity.BLOCKER, error.code, where, f"{error.what}: {error.why}", error.next)]
    except Exception as error:
        what = f"this check could not run: {type(error).__name__}: {error}"
        return [Finding(Severity.BLOCKER, "check-not-run", where, what, "please report it: it is a fault of dcshift")]


def _softened(found: Finding) -> Finding:
    """Outside a window only the freeze is forbidden, so a check in the daytime warns."""
    import dataclasses

    from migration.model.words import Severity

    return dataclasses.replace(found, severity=Severity.WARNING)
