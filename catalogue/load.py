"""Reads a province from YAML and reports every fault at once with file and line; it never guesses a value."""

from __future__ import annotations

import datetime
import hashlib
import json
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogue import norms, rules, unanswered
from catalogue.controls import Controls
from catalogue.province import Province
from catalogue.reading import CatalogueError, Fault, parse
from catalogue.system import Strict, System
from catalogue.written import Whole, Written

__all__ = ["PROVINCE_FILE", "Catalogue", "CatalogueError", "Examined", "Fault", "digest", "examine", "load"]

PROVINCE_FILE = "province.yaml"


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

    def controls(self, system: System) -> Controls:
        """Return what the province's norms ask of a system."""
        return norms.controls(norms.named(self.province.norms), system.level)


@dataclass(frozen=True, slots=True)
class Examined:
    """A catalogue with everything that can be said about it today."""

    catalogue: Catalogue | None
    """None if it is unusable; with faults of the day or of capacity alone it can still be read."""
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    unanswered: tuple[Fault, ...] = ()
    """What levels ask for and nothing here carries out: true every day, so it is kept apart from what people mend."""


def load(folder: Path) -> Catalogue:
    """Read a province's folder: `province.yaml` and one file per system.

    Raises `CatalogueError` with all faults of all files that make it unusable. What the day or the capacity makes wrong
    is for `examine`, for `pulumi up` and for a run's checks: a way back must not end with a decision's last day.
    """
    read = _read(folder)
    if read.faults or read.whole is None:
        raise CatalogueError(read.faults)
    return _catalogue(read.whole, read.systems)


def examine(folder: Path, now: datetime.datetime) -> Examined:
    """Return the catalogue with everything that can be said about it at this moment."""
    read = _read(folder)
    faults, warned = list(read.faults), []
    in_vain: tuple[Fault, ...] = ()
    zone: datetime.tzinfo = datetime.UTC
    if read.whole is not None:
        faults += rules.capacity_faults(read.whole, read.systems)
        warned += rules.warnings(read.systems, read.whole)
        in_vain = tuple(sorted(unanswered.warnings(read.systems, read.whole)))
        zone = zoneinfo.ZoneInfo(read.whole.province.time_zone)
    ended, soon = rules.dated(read.systems, now.astimezone(zone).date())
    faults, warned = sorted({*faults, *ended}), sorted({*warned, *soon})
    usable = None if read.whole is None or read.faults else _catalogue(read.whole, read.systems)
    return Examined(usable, tuple(faults), tuple(warned), in_vain)


@dataclass(frozen=True, slots=True)
class _Read:
    whole: Whole | None
    systems: tuple[Written, ...]
    faults: tuple[Fault, ...]


def _read(folder: Path) -> _Read:
    faults: list[Fault] = []
    whole: Whole | None = None
    systems: list[Written] = []
    if not (folder / PROVINCE_FILE).is_file():
        faults.append(Fault(str(folder / PROVINCE_FILE), 1, "the province's own file is missing"))
    for path in sorted(folder.glob("*.yaml")):
        try:
            if path.name == PROVINCE_FILE:
                whole = _whole(path)
            else:
                system, place = parse(path, System)
                systems.append(Written(place, system))
        except CatalogueError as bad:
            faults.extend(bad.faults)
    faults += rules.system_faults(systems, whole)
    if whole is not None:
        faults += rules.province_faults(whole)
    return _Read(whole, tuple(systems), tuple(faults))


def _catalogue(whole: Whole, systems: Sequence[Written]) -> Catalogue:
    ordered = tuple(sorted((written.system for written in systems), key=lambda system: system.id))
    return Catalogue(whole.province, ordered, digest(whole.province, *ordered))


def digest(*parts: Strict) -> str:
    """Return the SHA-256 of parsed content.

    What came into the schema later counts only where it is written: an upgrade of the program alone may not make a
    plan's catalogue look changed.
    """
    content = json.dumps([_content(part) for part in parts], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _content(part: Strict) -> dict[str, object]:
    return part.model_dump(mode="json", by_alias=True, exclude=_unwritten(part) or None, exclude_none=True)


def _unwritten(part: object) -> dict[Any, Any]:
    """Return which fields that came later were not written, at any depth, as pydantic's `exclude` takes them."""
    inside: dict[Any, Any]
    if isinstance(part, dict):
        inside = {key: _unwritten(value) for key, value in part.items()}
    elif isinstance(part, list):
        inside = {index: _unwritten(item) for index, item in enumerate(part)}
    elif isinstance(part, Strict):
        inside = {name: _unwritten(getattr(part, name)) for name in type(part).model_fields}
        for name in part.later:
            field = type(part).model_fields[name]
            if getattr(part, name) == field.get_default(call_default_factory=True, validated_data={}):
                inside[name] = True
    else:
        return {}
    return {name: found for name, found in inside.items() if found}


def _whole(path: Path) -> Whole:
    province, place = parse(path, Province)
    if province.norms not in norms.known():
        sentence = f"norms {province.norms!r} are not known; there are {', '.join(norms.known())}"
        raise CatalogueError([place.fault(("norms",), sentence)])
    return Whole(place, province, norms.named(province.norms))
