"""Reads the catalogue from YAML and reports every fault at once with file and line; it never guesses a value."""

from __future__ import annotations

import hashlib
import json
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from catalogue.province import Province
from catalogue.system import Strict, System

PROVINCE_FILE = "province.yaml"

_Model = TypeVar("_Model", bound=Strict)
_Path = tuple[str | int, ...]


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
class Catalogue:
    """A whole province: itself and its systems, ordered by id."""

    province: Province
    systems: tuple[System, ...]
    hash: str
    """SHA-256 over the parsed content: comments and layout do not change it."""

    def system(self, system_id: str) -> System:
        """Return one system; raises `KeyError` with the known ids."""
        for system in self.systems:
            if system.id == system_id:
                return system
        raise KeyError(f"no system {system_id}; the catalogue has {', '.join(s.id for s in self.systems)}")


def load(folder: Path) -> Catalogue:
    """Read a province's folder: `province.yaml` and one file per system.

    Raises `CatalogueError` with all faults of all files.
    """
    faults: list[Fault] = []
    province: Province | None = None
    systems: list[tuple[str, _Lines, System]] = []
    paths = sorted(folder.glob("*.yaml"))
    if not (folder / PROVINCE_FILE).is_file():
        faults.append(Fault(str(folder / PROVINCE_FILE), 1, "the province's own file is missing"))
    for path in paths:
        try:
            if path.name == PROVINCE_FILE:
                province = _parse(path, Province)[0]
                faults.extend(_province_faults(str(path), province))
            else:
                system, lines = _parse(path, System)
                systems.append((str(path), lines, system))
        except CatalogueError as bad:
            faults.extend(bad.faults)
    faults.extend(_cross_file_faults(systems, province))
    if faults or province is None:
        raise CatalogueError(faults)
    ordered = tuple(sorted((system for _, _, system in systems), key=lambda system: system.id))
    return Catalogue(province, ordered, digest(province, *ordered))


def digest(*parts: Strict) -> str:
    """Return the SHA-256 of parsed content."""
    content = json.dumps([part.model_dump(mode="json", by_alias=True) for part in parts], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class _Lines:
    """Finds the line of a field in the YAML it was read from."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def at(self, path: _Path) -> int:
        """Return the line (from 1) of the deepest node on this path that exists."""
        node, line = self._root, 1
        for step in path:
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == step:
                        node, line = value, key.start_mark.line + 1
                        break
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
        return line


def _parse(path: Path, model: type[_Model]) -> tuple[_Model, _Lines]:
    text = path.read_text(encoding="utf-8")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as bad:
        mark = getattr(bad, "problem_mark", None)
        problem = getattr(bad, "problem", None) or str(bad)
        raise CatalogueError([Fault(str(path), mark.line + 1 if mark else 1, f"this is not YAML: {problem}")]) from bad
    lines = _Lines(root)
    faults = [Fault(str(path), line, f"the key {key!r} is given twice") for key, line in _doubled_keys(root)]
    try:
        parsed = model.model_validate(content)
    except ValidationError as bad:
        faults += [Fault(str(path), lines.at(error["loc"]), _sentence(dict(error))) for error in bad.errors()]
        raise CatalogueError(faults) from bad
    if faults:
        raise CatalogueError(faults)
    return parsed, lines


def _doubled_keys(node: yaml.Node | None) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value)
        found += [(key.value, key.start_mark.line + 1) for key, _ in node.value if counts[key.value] > 1]
        for _, value in node.value:
            found += _doubled_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            found += _doubled_keys(value)
    return found


def _sentence(error: dict[str, Any]) -> str:
    field = ".".join(str(step) for step in error["loc"]) or "the file"
    match error["type"]:
        case "extra_forbidden":
            return f"{field} is not a known key"
        case "missing":
            return f"{field} is missing"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{field} is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _province_faults(file: str, province: Province) -> list[Fault]:
    faults = []
    if province.time_zone not in zoneinfo.available_timezones():
        faults.append(Fault(file, 1, f"time_zone {province.time_zone!r} is not a known time zone"))
    for window in province.windows:
        if window.start == window.end:
            faults.append(Fault(file, 1, f"window {window.name!r} starts and ends at {window.start}: no cut could fit"))
    return faults


def _cross_file_faults(systems: list[tuple[str, _Lines, System]], province: Province | None) -> list[Fault]:
    faults: list[Fault] = []
    for what, path, value in (
        ("id", ("id",), lambda system: system.id),
        ("web.host", ("web", "host"), lambda system: system.web.host),
        ("source.database", ("source", "database"), lambda s: f"{s.source.database.host}/{s.source.database.name}"),
    ):
        seen: dict[str, str] = {}
        for file, lines, system in systems:
            key = value(system)
            if key in seen:
                faults.append(Fault(file, lines.at(path), f"{what} {key!r} is already used in {seen[key]}"))
            seen.setdefault(key, file)
    known = {system.id for _, _, system in systems}
    for file, lines, system in systems:
        for index, other in enumerate(system.integrations):
            if other not in known:
                line = lines.at(("integrations", index))
                faults.append(Fault(file, line, f"integration {other!r} is not a system of this catalogue"))
        if province is None:
            continue
        for host in sorted(system.source.hosts() - set(province.source.hosts)):
            faults.append(
                Fault(
                    file,
                    lines.at(_path_of_host(system, host)),
                    f"host {host!r} is not in the province's source.hosts ({', '.join(province.source.hosts)})",
                )
            )
    return faults


def _path_of_host(system: System, host: str) -> _Path:
    source = system.source
    for part in ("web", "database", "traffic"):
        if getattr(source, part).host == host:
            return ("source", part, "host")
    for files_name, files in source.files.items():
        if files.host == host:
            return ("source", "files", files_name, "host")
    for job_name, job in source.jobs.items():
        if job.host == host:
            return ("source", "jobs", job_name, "host")
    return ("source",)
