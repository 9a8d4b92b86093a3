"""`dcshift drill`: restores a backup for a trial, compares it, and says what a loss of the site would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION

if TYPE_CHECKING:
    from catalogue.system import System
    from migration.errors import StepFailed
    from migration.model.drilled import Drilled
    from migration.wiring import Workspace


def register(app: typer.Typer) -> None:
    @app.command()
    def drill(
        system: Annotated[str, typer.Argument(help="The system whose database is restored for a trial.")],
        seconds_max: Annotated[float, typer.Option(min=1, help="How long archive and restore may take, each.")] = 3600,
    ) -> int:
        """Restore the newest backup into a scratch database, compare every row, measure, and remove it again."""
        from migration.adapters.clock import this_process
        from migration.errors import StepFailed, UsageError
        from migration.leasing import Leasing
        from migration.model.lease import Busy

        workspace = SESSION.workspace()
        declared = known(workspace, system)
        with Leasing(workspace.journal(), this_process()) as leasing:
            # There is room for one scratch database.
            if isinstance(held := leasing.hold(["restore-drill"]), Busy):
                raise UsageError(
                    "drill-busy",
                    what="another restore drill is under way",
                    why=f"it is run by {held.holder}, and there is room for one scratch database",
                    state="nothing was changed",
                    next="wait for its end, then try again",
                )
            try:
                drilled = workspace.drill(declared, OUT.note, seconds_max=seconds_max)
            except StepFailed as failed:
                _mark(workspace, system, failed)
                raise
        document = told(drilled, declared)
        kept = workspace.keep_drill(system, document)
        try:
            recorded = workspace.record_drill(system, document)
        except StepFailed as refused:  # what was measured is told all the same
            recorded = None
            OUT.note(str(refused))
        result = {**document, "kept": str(kept), "recorded": recorded}
        OUT.result(result, lambda: _people(document, str(kept), recorded))
        return 1 if document["differences"] or document["missed"] or recorded is None else 0


def _mark(workspace: Workspace, system: str, failed: StepFailed) -> None:
    """Leave word in the cluster that the backup is of no use; what ended the drill stays what its error tells."""
    from migration.drill import UNUSABLE
    from migration.errors import StepFailed

    if failed.code not in UNUSABLE:
        return
    try:
        workspace.mark_failed_drill(system, f"{failed.code}: {failed.why}")
    except StepFailed as refused:
        OUT.note(str(refused))


def known(workspace: Workspace, name: str) -> System:
    """Return a system of the catalogue; raises `UsageError` with those that it has."""
    from migration.errors import UsageError

    systems = {system.id: system for system in workspace.catalogue().systems}
    if name not in systems:
        raise UsageError(
            "system-unknown",
            what=f"the catalogue has no system {name}",
            why=f"it has {', '.join(sorted(systems))}",
            state="nothing was changed",
            next=f"dcshift drill {sorted(systems)[0]}",
        )
    return systems[name]


def told(drilled: Drilled, system: System) -> dict[str, Any]:
    """Return what a drill found, and which objectives of the catalogue it missed."""
    from catalogue.system import seconds

    missed = []
    for name, wanted, measured in (
        ("rto", system.objectives.rto, drilled.rto_seconds),
        ("rpo", system.objectives.rpo, drilled.rpo_seconds),
    ):
        if wanted is not None and measured > seconds(wanted):
            missed.append(f"objectives.{name} is {wanted}; measured were {measured:.0f} s")
    return {
        "system": drilled.system,
        "backup": drilled.base.name,
        "backup_age_seconds": round(drilled.instant.at - drilled.base.ended_at, 1),
        "restored_up_to_lsn": drilled.instant.lsn,
        "at_epoch_seconds": round(drilled.instant.at, 1),
        "tables": len(drilled.instant.totals),
        "rows": drilled.rows,
        "archive_timeout_seconds": round(drilled.instant.archive_timeout_seconds, 1),
        "archived_seconds": round(drilled.archived_seconds, 1),
        "restored_seconds": round(drilled.restored_seconds, 1),
        "compared_seconds": round(drilled.compared_seconds, 1),
        "rto_seconds": round(drilled.rto_seconds, 1),
        "rpo_seconds": round(drilled.rpo_seconds, 1),
        "differences": list(drilled.differences),
        "missed": missed,
    }


def _people(document: dict[str, Any], kept: str, recorded: str | None) -> None:
    age = document["backup_age_seconds"]
    print(f"{document['system']}: backup {document['backup']}, {age:,.0f} s old at the moment compared")
    print(f"  restored in {document['restored_seconds']:,.0f} s, compared in {document['compared_seconds']:,.0f} s")
    print(f"  RTO {document['rto_seconds']:,.0f} s: until a database was there and known to be equal")
    print(f"  RPO {document['rpo_seconds']:,.0f} s: the log waits for the archive that long at most")
    for difference in document["differences"]:
        print(f"  differs: {difference}")
    for missed in document["missed"]:
        print(f"  missed: {missed}")
    if not document["differences"]:
        print(f"  {document['rows']:,} rows in {document['tables']} tables are equal to the living database")
    written = f"and in the cluster as {recorded}" if recorded else "and NOT written down in the cluster, see above"
    print(f"  kept in {kept}, {written}")
