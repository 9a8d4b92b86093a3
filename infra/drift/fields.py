"""Reads `managedFields`: which manager wrote which field of an object, and when; pure.

The form is the API server's own (fieldsV1): `f:` a field, `k:` an element of a list by its keys, `v:` one of a set of
values, `.` the whole itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
"""Steps as fieldsV1 writes them, `("f:spec", "f:ports", 'k:{"port":80}')`."""
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Writer:
    """One manager's entry: its name, how it wrote, when it did last, and all that it owns."""

    manager: str
    operation: str
    time: str
    subresource: str
    owns: Mapping[str, Any]

    def has(self, path: Path) -> bool:
        """Return whether the field, or something in it, is this one's."""
        found: Any = self.owns
        for step in path:
            if not isinstance(found, Mapping) or step not in found:
                return False
            found = found[step]
        return True


def writers(live: Mapping[str, Any]) -> list[Writer]:
    """Return everybody who wrote to an object, the last one first."""
    found = [
        Writer(
            str(entry.get("manager", "")),
            str(entry.get("operation", "")),
            str(entry.get("time", "")),
            str(entry.get("subresource", "")),
            entry.get("fieldsV1") or {},
        )
        for entry in live.get("metadata", {}).get("managedFields") or []
    ]
    return sorted(found, key=lambda each: each.time, reverse=True)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One declared field that is owned as a whole: where it stands, for people and for the server, and its values."""

    path: Path
    text: str
    declared: Any
    live: Any
    absent: bool = False
    """Whether it is declared and not there."""
    beside: bool = False
    """Whether it is there, in a list of ours, and not declared: a container, a variable, a port."""


def leaves(declared: Mapping[str, Any], live: Mapping[str, Any], everybody: Sequence[Writer]) -> Iterator[Leaf]:
    """Yield every declared field with the live one, and what stands beside ours in a list, as finely as owners are.

    How fine that is depends on the kind; the entries themselves show it. Where nobody owns anything, sections are
    followed and lists are taken whole.
    """
    sections = [each.owns for each in everybody]
    yield from _fields(declared, live, sections, (), "")


_Owned = Sequence[Mapping[str, Any]]
_ABSENT: Final = object()


def _fields(declared: Mapping[str, Any], live: Any, owned: _Owned, path: Path, text: str) -> Iterator[Leaf]:
    for key, value in declared.items():
        if value is None:
            continue  # a null claims nothing
        step = f"f:{key}"
        shown = key if not text else f"{text}.{key}" if _PLAIN.fullmatch(key) else f'{text}["{key}"]'
        found = live.get(key, _ABSENT) if isinstance(live, Mapping) else _ABSENT
        yield from _one(value, found, _below(owned, step), (*path, step), shown)


def _one(value: Any, live: Any, owned: _Owned, path: Path, text: str) -> Iterator[Leaf]:
    divided = any(key.startswith(("f:", "k:", "v:")) for each in owned for key in each)
    # A section that is not there and that nobody holds is missed once, not once for each field in it.
    if isinstance(value, Mapping) and value and (divided or (not owned and live is not _ABSENT)):
        yield from _fields(value, live, owned, path, text)
    elif isinstance(value, list) and divided:
        yield from _elements(value, live, owned, path, text)
    else:
        absent = live is _ABSENT
        yield Leaf(path, text, value, None if absent else live, absent)


def _elements(values: list[Any], live: Any, owned: _Owned, path: Path, text: str) -> Iterator[Leaf]:
    there = live if isinstance(live, list) else []
    met: set[str] = set()
    keys = [step for each in owned for step in each if step.startswith("k:")]
    for value in values:
        if not isinstance(value, Mapping):
            step = f"v:{_written(value)}"
            met.add(step)
            yield Leaf((*path, step), f"{text}[{value}]", value, value if value in there else None, value not in there)
            continue
        names = _names(keys, value, there)
        step = f"k:{_written(names)}"
        met.add(step)
        element = next((each for each in there if isinstance(each, Mapping) and _is(each, names)), None)
        shown = f"{text}[{', '.join(str(each) for each in names.values())}]"
        if element is None:
            yield Leaf((*path, step), shown, value, None, absent=True)
        else:
            yield from _fields(value, element, _below(owned, step), (*path, step), shown)
    for step in sorted({each for one in owned for each in one if each.startswith(("k:", "v:"))} - met):
        names = json.loads(step[2:])
        said = ", ".join(str(each) for each in names.values()) if isinstance(names, dict) else names
        found = [each for each in there if each == names or (isinstance(names, dict) and _is(each, names))]
        yield from (Leaf((*path, step), f"{text}[{said}]", None, each, beside=True) for each in found[:1])


def _names(steps: Sequence[str], value: Mapping[str, Any], there: Sequence[Any]) -> dict[str, Any]:
    """Return what names an element: the keys that the server uses in this list, with the values declared here.

    A key that is not declared (the protocol of a port) has the value that the server gave the element.
    """
    keys = next((list(json.loads(step[2:])) for step in steps), [])
    names = {key: value[key] for key in keys if key in value}
    same = next((each for each in there if isinstance(each, Mapping) and _is(each, names)), {})
    return {**names, **{key: same[key] for key in keys if key in same}}


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _is(element: Mapping[str, Any], names: Mapping[str, Any]) -> bool:
    return all(element.get(key) == value for key, value in names.items())


def _below(owned: Sequence[Mapping[str, Any]], step: str) -> list[Mapping[str, Any]]:
    return [each[step] for each in owned if isinstance(each.get(step), Mapping)]
