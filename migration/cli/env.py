"""`dcshift env`: the variables with which pulumi works by hand as dcshift means it; it sets nothing itself."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION


def register(app: typer.Typer) -> None:
    @app.command()
    def env() -> int:
        """Print what pulumi needs: eval "$(dcshift env)"."""
        from migration.adapters.pulumi import environment
        from migration.wiring import CHECKOUT

        workspace = SESSION.workspace()
        variables = dict(environment(CHECKOUT, workspace.kubeconfig, Path(sys.prefix), os.environ.get("PATH", "")))
        variables["DCSHIFT_CATALOGUE"] = str(workspace.catalogue_folder)
        OUT.result(
            variables,
            lambda: print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())),
        )
        return 0
