"""What differs between two versions of an object's inputs, field by field; pure, it never asks the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from standin.kinds import Path
from standin.values import UNKNOWN, Json

Change = Literal["add", "delete", "update"]
Step = str | int
_PLAIN: Final = re.compile(r"^[A-Za-z_$][A-Za-z0-9_$]*$")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that changes, and whether that needs a new object."""

    path: tuple[Step, ...]
    change: Change
    replaces: bool = False

    @property
    def text(self) -> str:
        """The path as the engine writes it: `spec.ports[0].port`, `metadata.labels["a.b/c"]`."""
        written = ""
        for step in self.path:
            if isinstance(step, int):
                written += f"[{step}]"
            elif _PLAIN.match(step):
                written += f".{step}" if written else step
            else:
                written += f'["{step}"]'
        return written


def changes(old: Json, new: Json, immutable: Sequence[Path] = ()) -> list[FieldChange]:
    """Return every field in which `new` differs from `old`."""
    return [
        FieldChange(path, change, replaces=any(_touches(path, rule) for rule in immutable))
        for path, change in _walk(old, new, ())
    ]


def _walk(old: Json, new: Json, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Change]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in new or (new[key] is None and old[key] is not None):
                yield (*path, key), "delete"
            elif key not in old or (old[key] is None and new[key] is not None):
                yield (*path, key), "add"
            else:
                yield from _walk(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            if index >= len(new):
                yield (*path, index), "delete"
            elif index >= len(old):
                yield (*path, index), "add"
            else:
                yield from _walk(old[index], new[index], (*path, index))
    elif old != new or new == UNKNOWN:
        yield path, "update"


def _touches(path: tuple[Step, ...], rule: Path) -> bool:
    """Return whether a change at `path` changes the field `rule`, a part of it or the whole around it."""
    shared = min(len(path), len(rule))
    return path[:shared] == rule[:shared]
