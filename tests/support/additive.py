"""Compares what two states of one version of a schema ask and allow: a later state may only add to an earlier one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Fields = dict[str, Document]
"""By dotted way to a field (`buckets[].name`): whether it must be there, and what it may be."""


def fields(schema: Document) -> Fields:
    """Return every field that a JSON Schema of objects, lists, references and unions knows."""
    return dict(_walk(schema, schema, ""))


def _walk(schema: Document, node: Document, path: str) -> Iterator[tuple[str, Document]]:
    for choice in _choices(schema, node):
        if choice.get("type") == "array":
            yield from _walk(schema, choice["items"], f"{path}[]")
        for name, inner in choice.get("properties", {}).items():
            below = f"{path}.{name}".lstrip(".")
            yield below, {"required": name in choice.get("required", ()), "may_be": _kinds(schema, inner)}
            yield from _walk(schema, inner, below)


def _choices(schema: Document, node: Document) -> list[Document]:
    if "$ref" in node:
        return _choices(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if "anyOf" in node:
        return [found for each in node["anyOf"] for found in _choices(schema, each)]
    return [node]


def _kinds(schema: Document, node: Document) -> list[str]:
    """Return what a value may be, one phrase a choice: its type with pattern and bounds, or its words."""
    return sorted(_kind(schema, choice) for choice in _choices(schema, node))


def _kind(schema: Document, choice: Document) -> str:
    if "const" in choice or "enum" in choice:
        return f"one of {sorted(map(str, choice.get('enum', [choice.get('const')])))}"
    if choice["type"] == "array":
        return f"array of {' or '.join(_kinds(schema, choice['items']))}"
    if choice["type"] == "object" and isinstance(choice.get("additionalProperties"), dict):
        return f"object of {' or '.join(_kinds(schema, choice['additionalProperties']))}"
    bounds = {key: value for key, value in choice.items() if re.match("min|max|pattern|exclusive|format", key)}
    return " ".join([choice["type"], *(f"{key} {value}" for key, value in sorted(bounds.items()))])


def broken(earlier: Fields, later: Fields) -> list[str]:
    """Return why a document of the earlier state may be refused by the later one; none if the schema only grew."""
    found = []
    for path, was in earlier.items():
        now = later.get(path)
        if now is None:
            found.append(f"{path} is gone")
        else:
            if now["required"] and not was["required"]:
                found.append(f"{path} became required")
            if lost := [kind for kind in was["may_be"] if not _still_allowed(kind, now["may_be"])]:
                found.append(f"{path} may no longer be {', '.join(lost)}")
    new = {path for path in later if path not in earlier}
    # Within a part that is new itself a field may be required: whoever does not have the part does not miss it.
    inside_a_new_one = {path for path in new if any(_is_above(other, path) for other in new)}
    found += [f"{path} is new and required" for path in sorted(new - inside_a_new_one) if later[path]["required"]]
    return sorted(found)


def _is_above(path: str, other: str) -> bool:
    return other.startswith((f"{path}.", f"{path}["))


def _still_allowed(kind: str, allowed: list[str]) -> bool:
    # A pattern or a bound may go; another one may forbid what was allowed, and nobody compares the two.
    return kind in allowed or (
        kind.split(" ", maxsplit=1)[0] in allowed and not kind.startswith(("array of", "object of", "one of"))
    )
