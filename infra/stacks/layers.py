"""Which module builds which layer; the one list of them."""

from __future__ import annotations

from infra.config import Settings
from infra.stacks import data, platform, security, system

_BUILDERS = {"platform": platform.build, "data": data.build, "security": security.build, "system": system.build}


def build(settings: Settings) -> None:
    """Declare everything of the stack's layer."""
    _BUILDERS[settings.layer](settings)
