"""Builds one stack, from the settings that `pulumi config set` wrote for it or from given ones; it writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra.errors import InfraError, SettingsError
from infra.render.declared import Built, build
from infra.render.stack_files import FOLDER, placed, settings_of


def built(stack: str, folder: Path = FOLDER, **more: str) -> Built:
    """Build one stack from its own settings.

    Raises `InfraError` for a catalogue that the program cannot carry out, `ConfigError` for settings that it cannot
    use, with file and line.
    """
    try:
        return built_from(stack, settings_of(stack, folder) | more)
    except SettingsError as refused:
        raise placed(refused, stack, folder) from refused


def built_from(stack: str, settings: Mapping[str, str]) -> Built:
    """Build one stack from exactly these settings. Raises `InfraError` as above."""
    try:
        return build(stack, settings)
    except ValueError as bad:
        raise InfraError(
            "stack-not-built",
            what=f"stack {stack} cannot be built from this catalogue",
            why=str(bad),
            state="nothing of this stack was written",
            next="mend the catalogue, then dcshift catalogue check",
        ) from bad
