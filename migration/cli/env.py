"""`dcshift env`: the variables with which pulumi works by hand as dcshift means it; it sets nothing itself."""

from __future__ import annotations

import shlex

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION


def register(app: typer.Typer) -> None:
    @app.command()
    def env() -> int:
        """Print what pulumi needs: eval "$(dcshift env)"."""
        variables = SESSION.workspace().pulumi_variables()
        OUT.result(
            variables,
            lambda: print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())),
        )
        return 0
