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
    found: dict[str, str] = {}
    faults = []
    for key, value in _entries(place.root):
        try:
            # Pulumi takes a key without a namespace for the project's own.
            name = key.removeprefix(stack_keys.PREFIX)
            if name in found:
                raise ValueError(f"the key {stack_keys.PREFIX}{name} is given with and without its namespace")
            found[name] = _value(f"{stack_keys.PREFIX}{name}", value)
        except ValueError as fault:
            faults.append(str(place.fault(("config", key), str(fault))))
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
    written = {key.removeprefix(stack_keys.PREFIX): key for key, _ in _entries(place.root)}
    return SettingsError(
        SettingFault(each.key, each.given, str(place.fault(("config", written[each.key]), each.sentence)))
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
    """Yield the settings of our namespace as they are written."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "config" and isinstance(value, yaml.MappingNode):
            for name, entry in value.value:
                if ":" not in name.value or name.value.startswith(stack_keys.PREFIX):
                    yield name.value, entry


def _value(key: str, node: yaml.Node) -> str:
    """Return a value as Pulumi hands it over. Raises `ValueError` where that is not what people read there."""
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(f"{key} is encrypted or nested; no setting of dcshift is")
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "null":
            raise ValueError(f"{key} has no value")
        case "bool" if text.lower() in ("true", "false"):
            return text.lower()
        case "int" | "float" | "timestamp" if (read := str(yaml.SafeLoader("").construct_object(node))) != text:
            # 8.10 becomes 8.1, 03 becomes 3: a release, a tag or a number that nobody meant.
            raise ValueError(f"{key} is {text}, which YAML reads as {read}; put it into quotes")
        case _:
            return text


def _list(sentences: list[str]) -> str:
    return "\n         ".join(sentences)
