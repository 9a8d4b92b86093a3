"""`dcshift demo`: both data centres on this machine and a whole move under citizens' traffic; the lab does it."""

from __future__ import annotations

from typing import Annotated

import typer

from migration.cli.lab import Scale


def register(app: typer.Typer) -> None:
    @app.command()
    def demo(
        scale: Annotated[Scale, typer.Option(help="How much data the source holds: full or tenth.")] = Scale.FULL,
        upgrade: Annotated[bool, typer.Option(help="Deploy the newer releases after the move.")] = True,
    ) -> int:
        """Build both data centres here, move two systems under traffic, show what was proved."""
        from lab.demo.main import Options, main

        return main(Options(scale=scale, upgrade=upgrade))
