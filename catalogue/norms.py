"""Dated sets of what each security level asks for, with the text of law behind every row; it decides for no system."""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from catalogue.controls import IDS, Controls, Value, rank
from catalogue.reading import CatalogueError, Fault, Place, parse, validation_faults
from catalogue.system import Name, Strict, Text

FOLDER: Final = Path(__file__).parent / "norms"
LEVELS: Final = (1, 2, 3, 4, 5)

NormsId = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}-[0-9]{4}$")]
_Kebab = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class LegalText(Strict):
    """One text of law or standard that rows refer to."""

    id: _Kebab
    number: Text
    title: Text
    in_force: datetime.date | None = None
    """None if we do not know the day."""


class Reference(Strict):
    """Where a row comes from: a text of this set, and the place in it as far as we know it."""

    text: _Kebab
    place: Text


class Row(Strict):
    """One control through all levels."""

    id: _Kebab
    sentence: Name
    reference: Reference
    verified: bool
    """Whether somebody compared the row with the words of the text. False is our reading of it."""
    levels: Annotated[list[Value], Field(min_length=5, max_length=5)]
    """The value at level 1 to 5."""


class NormSet(Strict):
    """What the levels ask for from one day on."""

    api_version: Literal["dcshift/v1"] = Field(alias="apiVersion")
    id: NormsId
    name: Name
    in_force: datetime.date
    texts: Annotated[list[LegalText], Field(min_length=1)]
    controls: Annotated[list[Row], Field(min_length=1)]

    def row(self, control: str) -> Row:
        """Return a control's row by its id, such as `replicas-min`."""
        return next(row for row in self.controls if row.id == control)

    def citation(self, control: str) -> str:
        """Return the legal reference of a control as people write it."""
        reference = self.row(control).reference
        number = next(text.number for text in self.texts if text.id == reference.text)
        return f"{number}, {reference.place}"

    @property
    def unverified(self) -> tuple[str, ...]:
        """The controls that nobody compared with the words of the text."""
        return tuple(row.id for row in self.controls if not row.verified)


@dataclass(frozen=True, slots=True)
class Change:
    """One control that a system must meet otherwise under another set."""

    control: str
    source: Value
    target: Value
    stricter: bool
    reference: str
    verified: bool


def known() -> tuple[str, ...]:
    """Return the ids of the sets that come with the program, the oldest first."""
    return tuple(sorted((path.stem for path in FOLDER.glob("*.yaml")), key=lambda name: (name.split("-")[-1], name)))


@functools.cache
def named(norms_id: str) -> NormSet:
    """Return a set that comes with the program. Raises `KeyError` with the known ids, `CatalogueError`."""
    if norms_id not in known():
        raise KeyError(f"no norms {norms_id}; there are {', '.join(known())}")
    return read(FOLDER / f"{norms_id}.yaml")


def read(path: Path) -> NormSet:
    """Read a set from a file. Raises `CatalogueError`, also if a level asks for less than the one below."""
    norms, place = parse(path, NormSet)
    faults = _row_faults(norms, place)
    if norms.id != path.stem:
        faults.append(place.fault(("id",), f"id is {norms.id!r} and the file is called {path.name}"))
    if not faults:
        faults += _value_faults(norms, place) or _monotone_faults(norms, place)
    if faults:
        raise CatalogueError(faults)
    return norms


def controls(norms: NormSet, level: int) -> Controls:
    """Return what a level asks for; pure. Raises `ValueError` for a level that does not exist."""
    if level not in LEVELS:
        raise ValueError(f"level {level} does not exist; there are 1 to 5")
    return Controls.model_validate(_values(norms, level))


def differences(source: NormSet, target: NormSet, level: int) -> tuple[Change, ...]:
    """Return what a change of sets asks of a system of this level, in the order of the target's rows."""
    before, after = controls(source, level), controls(target, level)
    found = []
    for row in target.controls:
        name = IDS[row.id]
        was, becomes = getattr(before, name), getattr(after, name)
        if was != becomes:
            stricter = rank(name, becomes) > rank(name, was)
            found.append(Change(row.id, was, becomes, stricter, target.citation(row.id), row.verified))
    return tuple(found)


def _values(norms: NormSet, level: int) -> dict[str, Value]:
    return {row.id: row.levels[level - 1] for row in norms.controls}


def _row_faults(norms: NormSet, place: Place) -> list[Fault]:
    faults, seen = [], set()
    texts = {text.id for text in norms.texts}
    for index, row in enumerate(norms.controls):
        if row.id in seen:
            faults.append(place.fault(("controls", index, "id"), f"control {row.id!r} is given twice"))
        seen.add(row.id)
        if row.id not in IDS:
            faults.append(place.fault(("controls", index, "id"), f"control {row.id!r} is not known"))
        if row.reference.text not in texts:
            sentence = f"control {row.id!r} refers to text {row.reference.text!r}, which is not in texts"
            faults.append(place.fault(("controls", index, "reference"), sentence))
    faults += [place.fault(("controls",), f"control {missing!r} is missing") for missing in sorted(IDS.keys() - seen)]
    return faults


def _value_faults(norms: NormSet, place: Place) -> list[Fault]:
    faults = []
    rows = {row.id: index for index, row in enumerate(norms.controls)}
    for level in LEVELS:
        try:
            Controls.model_validate(_values(norms, level))
        except ValidationError as bad:
            for error, fault in zip(bad.errors(), validation_faults(place, bad), strict=True):
                path = ("controls", rows[str(error["loc"][0])], "levels", level - 1)
                faults.append(place.fault(path, f"at level {level} {fault.sentence}"))
    return faults


def _monotone_faults(norms: NormSet, place: Place) -> list[Fault]:
    faults = []
    for index, row in enumerate(norms.controls):
        for level in LEVELS[1:]:
            below, here = row.levels[level - 2], row.levels[level - 1]
            if rank(IDS[row.id], here) < rank(IDS[row.id], below):
                sentence = (
                    f"{row.id} is {here!r} at level {level} and {below!r} at level {level - 1}: "
                    "a higher level may not ask for less"
                )
                faults.append(place.fault(("controls", index, "levels", level - 1), sentence))
    return faults
