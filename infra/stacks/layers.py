"""Which module builds which layer; the one list of them."""

from __future__ import annotations

import pulumi

from infra import foundations
from infra.config import Settings
from infra.stacks import data, drill_figures, ground, platform, security, system

_BUILDERS = {
    "platform": platform.build,
    "ground": ground.build,
    "data": data.build,
    "security": security.build,
    "system": system.build,
}


def run(settings: Settings) -> None:
    """Build the layer in an engine's run, and tell what only the cluster knows: nobody asks it who merely renders."""
    build(settings)
    if settings.layer == "data":
        drill_figures.export(settings)


def build(settings: Settings) -> None:
    """Declare everything of the stack's layer, and say what it lays for others and stands on."""
    _BUILDERS[settings.layer](settings)
    pulumi.export(foundations.LAID, foundations.laid(settings))
    pulumi.export(foundations.STOOD_ON, foundations.stood_on(settings))
