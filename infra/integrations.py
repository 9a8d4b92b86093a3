"""Who may call whom: systems whose files name each other, and services of the nation that a file names; pure."""

from __future__ import annotations

from catalogue.province import NationalEndpoint
from catalogue.system import System
from infra import labels, naming
from infra.config import Settings


def calling(system: System) -> tuple[str, ...]:
    """Return the components that may call others, and come through a pool: all but schema migrations."""
    return ("web", "job", *([labels.WORKER] if system.workers else []))


def neighbours(settings: Settings, system: System) -> list[System]:
    """Return the systems that this one and that name each other: nobody opens his neighbour by naming him."""
    return [
        other
        for other in settings.catalogue.systems
        if other.id in system.integrations and system.id in other.integrations
    ]


def endpoints(settings: Settings, system: System) -> list[NationalEndpoint]:
    """Return the services of the nation that a system names."""
    return [each for each in settings.catalogue.province.national_endpoints if each.id in system.integrations]


def variables(settings: Settings, system: System) -> dict[str, str]:
    """Return where a system finds those that it integrates with, one variable for each, and none for the others."""
    near = {other.id: f"http://{called(other)}" for other in neighbours(settings, system)}
    far = {each.id: f"https://{each.host}:{each.port}" for each in endpoints(settings, system)}
    return {f"INTEGRATION_{name.upper().replace('-', '_')}": url for name, url in sorted((near | far).items())}


def called(system: System) -> str:
    """Return the name by which a neighbour calls a system's web process inside the cluster."""
    return naming.host(naming.web(system.id), naming.app_namespace(system.id))
