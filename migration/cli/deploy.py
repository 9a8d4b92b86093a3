"""`dcshift deploy`: one release of one system, as its pipeline deploys it; a thin door to the program in `infra`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from migration.cli.centre import instead
from migration.cli.session import SESSION


def register(app: typer.Typer) -> None:
    @app.command()
    def deploy(
        system: Annotated[str, typer.Argument(help="The system's id in the catalogue.")],
        *,
        release: Annotated[
            str | None, typer.Option(help="Name of the release; in a lab also the tag of its image.")
        ] = None,
        image: Annotated[
            str | None, typer.Option(help="Digest, sha256:…; the release is then named after it unless given.")
        ] = None,
        migrate: Annotated[bool, typer.Option("--migrate", help="Run the release's schema migration first.")] = False,
        preview: Annotated[bool, typer.Option("--preview", help="Judge what would change, and stop.")] = False,
        policy_pack: Annotated[
            Path | None, typer.Option(help="Rules that every preview and up must satisfy, beside our own.")
        ] = None,
        ca: Annotated[
            Path | None, typer.Option(help="Authority of the public certificate; the machine's own by default.")
        ] = None,
    ) -> int:
        """Deploy a release of a system; one that fails is put back."""
        # Absolute here, because Pulumi works in another folder than the one that the operator means.
        paths = {"--policy-pack": policy_pack and policy_pack.absolute(), "--ca": ca and ca.absolute()}
        given = {"--release": release, "--image": image, **paths}
        flags = {"--migrate": migrate, "--preview": preview}
        words = [f"{name}={value}" for name, value in given.items() if value is not None]
        stand_where_pulumi_works()
        return instead("infra.deploy", [*words, *(name for name, wanted in flags.items() if wanted), "--", system])


def stand_where_pulumi_works() -> None:
    """Set what pulumi lacks in the environment, name every place absolutely, and go to the folder of its project."""
    from migration.places import CHECKOUT

    workspace = SESSION.workspace()
    os.environ |= workspace.pulumi_variables()
    if workspace.ca_file:
        os.environ["DCSHIFT_CA"] = str(workspace.ca_file.absolute())
    os.chdir(CHECKOUT)  # Pulumi's project is there
