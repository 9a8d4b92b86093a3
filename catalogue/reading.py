"""Reads one YAML file into one model and names every fault with file, line and field; it never guesses a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import ValidationError

from catalogue.system import Strict

FieldPath: TypeAlias = tuple[str | int, ...]
"""The way to a field from the file's root, such as `("windows", 0, "start")`."""

_Model = TypeVar("_Model", bound=Strict)
_SHOWN_CHARACTERS_MAX = 60
# libyaml makes the same nodes with the same marks, several times as fast: each stack reads the whole province.
_LOADER = yaml.CSafeLoader
# Its composer calls itself for each level and knows no end: too deep a file would end the process. Its parser does not.
_DEPTH_MAX = 100


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong in the catalogue, where, and what is allowed."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}"


class CatalogueError(Exception):
    """The catalogue cannot be used; `faults` holds every reason."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Place:
    """One file that was read, able to name the line of any of its fields."""

    file: str
    root: yaml.Node | None

    def line(self, *path: str | int) -> int:
        """Return the line (from 1) of the deepest node on this path that exists."""
        node, line = self.root, 1
        for step in path:
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == str(step):
                        node, line = value, key.start_mark.line + 1
                        break
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
        return line

    def fault(self, path: FieldPath, sentence: str) -> Fault:
        """Return a fault of the field on this path."""
        return Fault(self.file, self.line(*path), sentence)


def parse(path: Path, model: type[_Model]) -> tuple[_Model, Place]:
    """Read a file. Raises `CatalogueError` with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as bad:
        raise CatalogueError([Fault(str(path), 1, f"the file cannot be read: {bad}")]) from bad
    try:
        return _parse(str(path), text, model)
    except RecursionError as bad:
        raise CatalogueError([Fault(str(path), 1, "the file is nested without end")]) from bad


def _parse(file: str, text: str, model: type[_Model]) -> tuple[_Model, Place]:
    try:
        place = Place(file, _composed(text))
    except yaml.YAMLError as bad:
        raise CatalogueError([_not_yaml(file, bad)]) from bad
    faults = [Fault(file, line, f"the key {key!r} is given twice") for key, line in _doubled_keys(place.root)]
    try:
        content = None if place.root is None else yaml.SafeLoader("").construct_document(place.root)
    except yaml.YAMLError as bad:
        raise CatalogueError([*faults, _not_yaml(file, bad)]) from bad
    except ValueError as bad:
        raise CatalogueError([*faults, *_not_values(place)]) from bad
    try:
        parsed = model.model_validate(content)
    except ValidationError as bad:
        raise CatalogueError([*faults, *validation_faults(place, bad)]) from bad
    if faults:
        raise CatalogueError(faults)
    return parsed, place


def _composed(text: str) -> yaml.Node | None:
    """Return a text's nodes. Raises `yaml.YAMLError`, `RecursionError`."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_MAX:
            raise RecursionError(f"more than {_DEPTH_MAX} levels")
    node: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
    return node


def validation_faults(place: Place, bad: ValidationError) -> list[Fault]:
    """Return a model's complaints as faults of the file that it was read from."""
    return [place.fault(path, sentence) for path, sentence in complaints(bad)]


def complaints(bad: ValidationError, whole: str = "the file") -> list[tuple[FieldPath, str]]:
    """Return what a model refuses, in sentences with the way to each field; `whole` is what all of it is called."""
    return [_complaint(error, whole) for error in bad.errors(include_url=False)]


def _complaint(error: Mapping[str, Any], whole: str) -> tuple[FieldPath, str]:
    loc = tuple(step for step in error["loc"] if not _is_a_choice(step))
    field = ".".join(str(step) for step in loc) or whole
    match error["type"]:
        case "extra_forbidden":
            sentence = f"{field} is not a known key"
        case "missing":
            sentence = f"{field} is missing"
        case "parts_differ":
            loc, sentence = error["ctx"]["path"], error["msg"]
        case "value_error":
            sentence = f"{field} is {_shown(error['input'])}: {error['ctx']['error']}"
        case _:
            sentence = f"{field} is {_shown(error['input'])}: {error['msg'][0].lower()}{error['msg'][1:]}"
    return loc, sentence


def _is_a_choice(step: str | int) -> bool:
    """Say whether pydantic put this step in for one of several allowed types; no field is called so."""
    return isinstance(step, str) and (step.startswith("literal[") or step in {"Quota", "bool", "int", "str"})


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


def _not_yaml(file: str, bad: yaml.YAMLError) -> Fault:
    mark = getattr(bad, "problem_mark", None)
    problem = getattr(bad, "problem", None) or str(bad)
    return Fault(file, mark.line + 1 if mark else 1, f"this is not YAML: {problem}")


def _not_values(place: Place) -> list[Fault]:
    """Return scalars that look like a date or a number and are none, which PyYAML says without a line."""
    faults = []
    loader = yaml.SafeLoader("")
    for path, node in _scalars(place.root, ()):
        try:
            loader.construct_object(node)
        except ValueError as bad:
            field = ".".join(str(step) for step in path) or "the file"
            faults.append(place.fault(path, f"{field} is {_shown(node.value)}: {bad}"))
        except yaml.YAMLError:
            continue
    return faults


def _scalars(node: yaml.Node | None, path: FieldPath) -> Iterator[tuple[FieldPath, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _scalars(value, (*path, index))


def _doubled_keys(node: yaml.Node | None) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        counts = Counter(str(key.value) for key, _ in node.value)
        found += [(key.value, key.start_mark.line + 1) for key, _ in node.value if counts[str(key.value)] > 1]
        for _, value in node.value:
            found += _doubled_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            found += _doubled_keys(value)
    return found
