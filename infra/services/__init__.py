"""What is special about single services; a system without a module here is an ordinary one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.services import feedback, portal


@dataclass(frozen=True, slots=True)
class Service:
    """What one system adds to the environment of its web pods, and of its jobs."""

    web_environment: Mapping[str, str] = field(default_factory=dict)
    job_environment: Mapping[str, str] = field(default_factory=dict)


_SPECIAL: Final = {
    "portal": Service(portal.WEB_ENVIRONMENT, portal.JOB_ENVIRONMENT),
    "feedback": Service(feedback.WEB_ENVIRONMENT, feedback.JOB_ENVIRONMENT),
}


def of(system: str) -> Service:
    """Return what is special about a system: nothing, for most."""
    return _SPECIAL.get(system, Service())
