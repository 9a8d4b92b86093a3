"""`dcshift survey`: reads the source and keeps what was seen; it changes nothing there."""

from __future__ import annotations

import typer

from migration.cli.output import OUT, console, size
from migration.cli.session import SESSION


def register(app: typer.Typer) -> None:
    @app.command()
    def survey() -> int:
        """Read the source: hosts, services, data, jobs, traffic; write the inventory."""
        workspace = SESSION.workspace()
        OUT.note("surveying the source: it is only read")
        inventory = workspace.survey()
        document = inventory.model_dump(mode="json") | {"hash": inventory.hash(), "file": str(workspace.observed)}

        def people() -> None:
            from rich.table import Table

            table = Table(box=None, header_style="dim", title_justify="left")
            for column in ("system", "database", "tables", "files", "jobs", "site"):
                table.add_column(column)
            for name, facts in sorted(inventory.systems.items()):
                database = facts.database
                files = sum(each.files for each in facts.files.values())
                table.add_row(
                    name,
                    f"PostgreSQL {database.server_version} on {database.host}, {size(database.size_bytes)}",
                    str(len(database.tables)),
                    f"{files:,} ({size(sum(each.size_bytes for each in facts.files.values()))})",
                    str(len(facts.jobs)),
                    ", ".join(facts.traffic.server_names),
                )
            out = console()
            out.print(table)
            out.print(f"\n{len(inventory.hosts)} hosts, {len(inventory.systems)} systems → {workspace.observed}")
            out.print("next: dcshift plan")

        OUT.result(document, people)
        return 0
