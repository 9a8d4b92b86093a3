"""Manifests as flat facts, so that a difference is a sentence: which object, which field, what it was and is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Document = dict[str, Any]
Facts = dict[tuple[str, str], Any]
"""By object and field: a value, or a list of plain values."""
ABSENT = "(absent)"
_HASHES = ("hash", "code_hash", "catalogue_hash")


def identity(document: Document) -> str:
    metadata = document["metadata"]
    where = metadata.get("namespace")
    return f"{document['kind']} {where + '/' if where else ''}{metadata['name']}"


def facts(documents: Iterable[Document]) -> Facts:
    return {
        (identity(document), field): value for document in documents for field, value in _fields(readable(document), "")
    }


def readable(document: Document) -> Document:
    """Return it with the contract as fields, without the hashes: they say no more than that something changed."""
    contract = document.get("data", {}).get("contract.json")
    if not isinstance(contract, str):
        return document
    said = {key: value for key, value in json.loads(contract).items() if key not in _HASHES}
    return {**document, "data": {**document["data"], "contract.json": said}}


def _fields(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _fields(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for at, item in enumerate(value):
            yield from _fields(item, f"{path}[{at}]")
    else:
        yield path, value


def changes(before: Facts, after: Facts) -> list[Document]:
    """Return what differs, objects with one and the same change together."""
    grouped: dict[str, list[str]] = defaultdict(list)
    rows: dict[str, Document] = {}
    for who, field in sorted(before.keys() | after.keys()):
        was, now = before.get((who, field), ABSENT), after.get((who, field), ABSENT)
        if was != now:
            row = {"field": field, "was": was, "now": now}
            key = json.dumps(row, sort_keys=True)
            rows[key] = row
            grouped[key].append(who)
    found = [{**rows[key], "of": objects} for key, objects in grouped.items()]
    return sorted(found, key=lambda row: (row["field"], row["of"]))


def changed(before: Facts, rows: Iterable[Mapping[str, Any]]) -> Facts:
    """Return facts after these changes."""
    after = dict(before)
    for row in rows:
        for who in row["of"]:
            if row["now"] == ABSENT:
                after.pop((who, row["field"]), None)
            else:
                after[who, row["field"]] = row["now"]
    return after


def sentences(expected: Facts, found: Facts) -> list[str]:
    """Return a line for each field that differs."""
    return [
        f"{who} {row['field']}: golden {row['was']!r}, now {row['now']!r}"
        for row in changes(expected, found)
        for who in row["of"]
    ]
