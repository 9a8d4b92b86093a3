"""Which module builds which layer; the one list of them."""

from __future__ import annotations

import pulumi

from infra import foundations
from infra.config import Settings
from infra.stacks import data, platform, security, system

_BUILDERS = {"platform": platform.build, "data": data.build, "security": security.build, "system": system.build}


def build(settings: Settings) -> None:
    """Declare everything of the stack's layer, and say what it lays for others and stands on."""
    _BUILDERS[settings.layer](settings)
    pulumi.export(foundations.LAID, foundations.laid(settings))
    pulumi.export(foundations.STOOD_ON, foundations.stood_on(settings))
