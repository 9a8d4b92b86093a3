"""What two contracts of one system say differently, as people read it; pure. Contracts hold no secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from catalogue.target import TargetContract

_ORIGIN: Final = {"catalogue_hash": "another catalogue", "code_hash": "another version of the program"}
_OWN: Final = "hash"
_TOLD_MAX: Final = 5
_WIDTH_MAX: Final = 60


def told(before: TargetContract, after: TargetContract) -> str:
    """Return in one line what is not as it was: the first parts with both values, or what alone is another."""
    was, is_ = dict(_parts(before)), dict(_parts(after))
    names = [name for name in {**was, **is_} if was.get(name) != is_.get(name) and name != _OWN]
    parts = [name for name in names if name not in _ORIGIN]
    if not parts:
        origin = " and ".join(_ORIGIN[name] for name in names)
        return f"it says the same, from {origin}" if origin else "it says the same in other words"
    shown = [f"{name} {_short(was.get(name))} → {_short(is_.get(name))}" for name in parts[:_TOLD_MAX]]
    more = [f"and {len(parts) - _TOLD_MAX} more"] if len(parts) > _TOLD_MAX else []
    return "; ".join([*shown, *more])


def _parts(contract: TargetContract) -> Iterator[tuple[str, Any]]:
    # As it was written: a part that an older contract lacks is not the same as one that says none.
    yield from _leaves("", contract.model_dump(mode="json", exclude_unset=True))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each value with its path; what has a name is called by it, so that one more in a list is one more.

    What is empty is left out: it says nothing, and is told as nothing.
    """
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, each)
    elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
        for each in value:
            yield from _leaves(f"{path}.{each['name']}", {k: v for k, v in each.items() if k != "name"})
    else:
        yield path, value


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _WIDTH_MAX else f"{text[: _WIDTH_MAX - 1]}…"
