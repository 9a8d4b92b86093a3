"""`dcshift env`: the variables with which pulumi works by hand as dcshift means it; it sets nothing itself."""

from __future__ import annotations

import os
import shlex

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION


def register(app: typer.Typer) -> None:
    @app.command()
    def env() -> int:
        """Print what pulumi needs and the environment lacks: eval "$(dcshift env)"."""
        from migration.adapters.pulumi import BACKEND

        variables = SESSION.workspace().pulumi_variables()
        if os.environ.get(BACKEND):
            # Said by its name alone: such an address may hold a login.
            OUT.note(f"{BACKEND} is set and stays what it is; unset it to work on the state of this checkout")
        OUT.result(
            variables,
            lambda: print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())),
        )
        return 0
