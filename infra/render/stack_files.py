"""What `pulumi config set` wrote for a stack of this checkout; it reads, and refuses what only pulumi can decrypt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ConfigDict, model_validator

from catalogue.reading import CatalogueError, Place, parse
from catalogue.system import Strict
from infra import stack_keys
from infra.errors import ConfigError, SettingFault, SettingsError

FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "pulumi" / "config"


def file_of(stack: str, folder: Path = FOLDER) -> Path:
    return folder / f"Pulumi.{stack}.yaml"


def settings_of(stack: str, folder: Path = FOLDER) -> dict[str, str]:
    """Return a stack's own settings without their prefix, as Pulumi hands them over; none if it has no file.

    Raises `ConfigError` with file and line for what is no file of settings; whether a value is right is asked later.
    """
    place = _read(file_of(stack, folder))
    if place is None:
        return {}
    found, faults = {}, []
    for key, value in _entries(place.root):
        fault = None
        if ":" not in key:
            fault = f"{key!r} is not in a namespace; keys of a stack begin with {stack_keys.PREFIX}"
        elif key.startswith(stack_keys.PREFIX):
            if not isinstance(value, yaml.ScalarNode):
                fault = f"{key} is encrypted or nested; no setting of dcshift is"
            elif value.tag == "tag:yaml.org,2002:null":
                fault = f"{key} has no value"
            else:
                # Its text, not what YAML makes of it: Pulumi hands over 8.10 as it is written, not as 8.1.
                found[key.removeprefix(stack_keys.PREFIX)] = value.value
        if fault:
            faults.append(str(place.fault(("config", key), fault)))
    if faults:
        raise ConfigError(_list(faults))
    return found


def placed(refused: SettingsError, stack: str, folder: Path = FOLDER) -> SettingsError:
    """Return the same refusal, each setting that stands in the stack's own file with that file and its line."""
    try:
        place, values = _read(file_of(stack, folder)), settings_of(stack, folder)
    except ConfigError:
        return refused
    if place is None:
        return refused
    return SettingsError(
        SettingFault(each.key, each.given, str(place.fault(("config", stack_keys.PREFIX + each.key), each.sentence)))
        if values.get(each.key) == each.given
        else each
        for each in refused.faults
    )


class _StackFile(Strict):
    """What Pulumi keeps of one stack; all but the settings is its own business."""

    model_config = ConfigDict(extra="ignore")
    config: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_empty(cls, content: object) -> object:
        return {} if content is None else content


def _read(file: Path) -> Place | None:
    if not file.exists():
        return None
    try:
        return parse(file, _StackFile)[1]
    except CatalogueError as bad:
        raise ConfigError(_list([str(fault) for fault in bad.faults])) from bad


def _entries(root: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "config" and isinstance(value, yaml.MappingNode):
            yield from ((name.value, entry) for name, entry in value.value)


def _list(sentences: list[str]) -> str:
    return "\n         ".join(sentences)
