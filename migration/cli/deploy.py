"""`dcshift deploy`: one release of one system, as its pipeline deploys it; a thin door to the program in `infra`."""

from __future__ import annotations

import os
import sys

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION


def register(app: typer.Typer) -> None:
    @app.command(
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    )
    def deploy(context: typer.Context) -> int:
        """Deploy a release of a system; one that fails is put back. `--help` shows the options."""
        from migration.wiring import CHECKOUT

        workspace = SESSION.workspace()
        os.environ |= workspace.pulumi_variables()
        if workspace.ca_file:
            os.environ["DCSHIFT_CA"] = str(workspace.ca_file)
        os.chdir(CHECKOUT)  # Pulumi's project is there
        argv = [sys.executable, "-m", "infra.deploy", *(["--json"] if OUT.json else []), *context.args]
        os.execv(sys.executable, argv)  # noqa: S606  the same interpreter, no shell
