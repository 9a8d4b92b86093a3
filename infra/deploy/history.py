"""What a stack was last applied with, and came up: read from the history that its state keeps; pure.

A state that several machines share outlives each of them, so the settings of a stack cannot lie on one. Every update
leaves its settings and its result there; the last that succeeded is what a deployment comes from, and goes back to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from infra.errors import ConfigError, InfraError

_PREFIX: Final = "dcshift:"


@dataclass(frozen=True, slots=True)
class Applied:
    """Settings of one update: as Pulumi's file has them, and those of ours without their prefix."""

    config: Mapping[str, Any]
    when: str

    @property
    def settings(self) -> dict[str, str]:
        return {key.removeprefix(_PREFIX): str(value) for key, value in self.config.items() if key.startswith(_PREFIX)}


def is_shared(backend: str, own: Path) -> bool:
    """Return whether a state lies elsewhere than in the folder `own` of this checkout; `""` names that folder."""
    parts = urlsplit(backend)
    return bool(backend) and not (parts.scheme == "file" and Path(parts.path).resolve() == own.resolve())


def last_applied(stack: str, updates: Sequence[Mapping[str, Any]]) -> Applied:
    """Return what the newest update that succeeded was applied with; `updates`: newest first, as Pulumi tells them.

    One that failed does not count, whatever it left behind: nobody has seen it serve.

    Raises `InfraError` (`release-before-unknown`) when there is none, `ConfigError` for a setting that is encrypted.
    """
    for each in updates:
        if each.get("kind") == "update" and each.get("result") == "succeeded":
            config = each.get("config") or {}
            if secret := sorted(key for key, entry in config.items() if entry.get("secret")):
                raise ConfigError(f"{', '.join(secret)} of stack {stack} is encrypted; no setting of dcshift is")
            values = {key: entry.get("objectValue", entry.get("value", "")) for key, entry in config.items()}
            return Applied(values, str(each.get("endTime") or each.get("startTime") or ""))
    raise InfraError(
        "release-before-unknown",
        what=f"it is not known with which settings stack {stack} serves",
        why=f"of the {len(updates)} last updates that its state remembers none succeeded",
        state="nothing was changed",
        next=f"apply it once by hand, with its settings: pulumi up --stack {stack} (docs/own-centre.md)",
    )
