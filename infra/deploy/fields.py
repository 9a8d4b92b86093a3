"""Which fields of an object change, from what to what, as people review it; pure, bounded, and it shows no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from infra.hiding import CALLED, HIDDEN
from infra.safety.secrecy import SIGNATURE, looks_like

FIELDS_MAX: Final = 20
"""Fields that are told of one object."""
_LETTERS_MAX: Final = 120
_NOTHING: Final = "(nothing)"
_DATA: Final = ("data", "stringData")


@dataclass(frozen=True, slots=True)
class Field:
    """One changed value: `spec.template.spec.containers[web].image`, and both values as they may be shown."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old} → {self.new}"


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[Field], int]:
    """Return the first `FIELDS_MAX` fields that differ between two sets of inputs, and how many more there are."""
    secret = "Secret" in (old.get("kind"), new.get("kind"))
    found = _in(old, new, "", hide=False, of_secret=secret)
    return list(islice(found, FIELDS_MAX)), sum(1 for _ in found)


def _in(old: Any, new: Any, path: str, *, hide: bool, of_secret: bool) -> Iterator[Field]:
    if old == new:
        return
    old, new = _written(old), _written(new)
    if _of_engine(old) or _of_engine(new):
        yield Field(path, HIDDEN, HIDDEN)
        return
    if _of_parts(old) and _of_parts(new) and isinstance(old, Mapping) is not isinstance(new, Mapping):
        yield from _in(old, None, path, hide=hide, of_secret=of_secret)
        yield from _in(None, new, path, hide=hide, of_secret=of_secret)
    elif (old or new) and all(value is None or _of_parts(value) for value in (old, new)):
        # What is new or gone is told part by part as well: each is hidden by its own name.
        parts = _of_mapping if isinstance(old or new, Mapping) else _of_list
        for key, before, after, secret in parts(old or type(new)(), new or type(old)()):
            inside = hide or secret or (of_secret and not path and key in _DATA)
            yield from _in(before, after, _below(path, key), hide=inside, of_secret=of_secret)
    else:
        yield Field(path, _shown(old, hide), _shown(new, hide))


Part = tuple[str, Any, Any, bool]


def _of_mapping(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Part]:
    """Yield key, both values, and whether they are called a secret."""
    # One variable of a container: what it is stands in `name`, and the value beside it.
    named = CALLED.search(str(new.get("name", old.get("name", ""))))
    for key in dict.fromkeys((*old, *new)):
        yield str(key), old.get(key), new.get(key), bool(CALLED.search(str(key)) or (named and key == "value"))


def _of_list(old: Sequence[Any], new: Sequence[Any]) -> Iterator[Part]:
    before, after = _by_name(old), _by_name(new)
    for key in dict.fromkeys((*before, *after)):
        yield f"[{key}]", before.get(key), after.get(key), False


def _of_parts(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _written(value: Any) -> Any:
    """Return a document that lies in a text as the document: one line of it says more than both texts."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _of_engine(value: Any) -> bool:
    return value == "[secret]" or (isinstance(value, Mapping) and SIGNATURE in value)


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    """Return what stands in a list, by name where each has one of its own, else by its place."""
    names = [each["name"] for each in items if isinstance(each, Mapping) and isinstance(each.get("name"), str)]
    if len(set(names)) == len(items):
        return dict(zip(names, items, strict=True))
    return {str(number): each for number, each in enumerate(items)}


def _below(path: str, key: str) -> str:
    if key.startswith("["):
        return f"{path}{key}"
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _shown(value: Any, hide: bool) -> str:
    if value is None:
        return _NOTHING
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    if hide or looks_like(text):
        return HIDDEN
    return text if len(text) <= _LETTERS_MAX else f"{text[:_LETTERS_MAX]}…"
