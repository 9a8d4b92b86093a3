"""`dcshift move`: the programs that carry bytes, run alone; all options are theirs."""

from __future__ import annotations

import typer

app = typer.Typer(help="Run a program that carries bytes, alone.", no_args_is_help=True, rich_markup_mode=None)
_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(context_settings=_PASS_ON)
def postgres(context: typer.Context) -> int:
    """Copy a PostgreSQL database, or a whole server, and follow its changes; `--help` shows its own options."""
    from migration.movers import postgres as mover

    return int(mover.main(context.args))


@app.command(context_settings=_PASS_ON)
def seed(context: typer.Context) -> int:
    """Move a PostgreSQL server by its files into a CloudNativePG cluster; `--help` shows its own options."""
    from migration.adapters import physical_seed

    return int(physical_seed.main(context.args))


@app.command(context_settings=_PASS_ON)
def prove(context: typer.Context) -> int:
    """Prove both sides of a physical move equal while the copy follows; `--help` shows its own options."""
    from migration.adapters import physical_proof

    return int(physical_proof.main(context.args))


@app.command(context_settings=_PASS_ON)
def files(context: typer.Context) -> int:
    """Copy a folder into a bucket or a volume, or compare it with a volume; `--help` shows its own options."""
    from migration.movers import files as mover

    return int(mover.main(context.args))


@app.command(context_settings=_PASS_ON)
def objects(context: typer.Context) -> int:
    """Copy a bucket into a bucket of another store, or compare them; `--help` shows its own options."""
    from migration.movers import objects as mover

    return int(mover.main(context.args))


@app.command(context_settings=_PASS_ON)
def mariadb(context: typer.Context) -> int:
    """Copy the databases of a MariaDB server and follow them, cut over and back; `--help` shows its own options."""
    from migration.movers.mariadb import __main__ as mover

    return int(mover.main(context.args))
