"""`dcshift catalogue check`: reads the catalogue and names every fault at once; it changes nothing."""

from __future__ import annotations

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION

app = typer.Typer(help="What people intend.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `check` a word of its own: with a single command, typer would drop it."""


@app.command()
def check() -> int:
    """Read the catalogue; name every fault of every file at once, with its line."""
    workspace = SESSION.workspace()
    read = workspace.catalogue()
    document = {
        "hash": read.hash,
        "folder": str(workspace.catalogue_folder),
        "systems": [{"id": system.id, "level": system.level, "wave": system.wave} for system in read.systems],
    }

    def people() -> None:
        for system in read.systems:
            print(f"  wave {system.wave}  {system.id:<12} level {system.level}  {system.name.vi}")
        print(f"{workspace.catalogue_folder}: {len(read.systems)} systems, no fault, hash {read.hash[:6]}")

    OUT.result(document, people)
    return 0
