"""What `pulumi config set` wrote for a stack of this checkout; it reads, and refuses what only pulumi can decrypt."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from infra.errors import ConfigError

FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "pulumi" / "config"
_PREFIX: Final = "dcshift:"


def file_of(stack: str, folder: Path = FOLDER) -> Path:
    return folder / f"Pulumi.{stack}.yaml"


def settings_of(stack: str, folder: Path = FOLDER) -> dict[str, str]:
    """Return a stack's own settings without their prefix; none if it has no file. Raises `ConfigError`."""
    file = file_of(stack, folder)
    if not file.is_file():
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as bad:
        raise ConfigError(f"{file} is not YAML: {bad}") from bad
    found = {}
    for key, value in (content.get("config") or {}).items():
        if not key.startswith(_PREFIX):
            continue
        if isinstance(value, dict):
            raise ConfigError(f"{file}: {key} is encrypted or nested; no setting of dcshift is")
        found[key.removeprefix(_PREFIX)] = str(value).lower() if isinstance(value, bool) else str(value)
    return found
