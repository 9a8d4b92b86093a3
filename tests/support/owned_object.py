"""One object as an API server keeps it: who owns which field after applies, updates and removals; no server runs.

As far as ownership goes: an apply owns what it says, an update takes the fields that it changes from everybody, a
removal leaves nobody. The keys of lists are those of the kinds that we declare.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
Document = dict[str, Any]
_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_ATOMIC = {"selector", "podSelector", "scaleTargetRef", "roleRef", "resources", "labelSelector", "secretKeyRef"}
_OPERATORS = ("postgresql.cnpg.io", "gateway.networking.k8s.io")


def leaf_paths(document: Document) -> Iterator[Path]:
    """Yield the fields of a document as the server divides them."""
    schema = {} if document["apiVersion"].startswith(_OPERATORS) else _KEYS
    for key, value in document.items():
        if key not in ("apiVersion", "kind"):
            yield from _leaves(key, value, (f"f:{key}",), schema)


def _leaves(key: str, value: Any, path: Path, schema: dict[str, tuple[str, ...]]) -> Iterator[Path]:
    if isinstance(value, dict) and value and key not in _ATOMIC:
        for name, each in value.items():
            yield from _leaves(name, each, (*path, f"f:{name}"), schema)
    elif isinstance(value, list) and value and key in schema:
        for each in value:
            names = {name: each[name] for name in schema[key]}
            step = f"k:{json.dumps(names, sort_keys=True, separators=(',', ':'))}"
            for name, inner in each.items():
                yield from _leaves(name, inner, (*path, step, f"f:{name}"), schema)
    elif path not in (("f:metadata", "f:name"), ("f:metadata", "f:namespace")):
        yield path


class OwnedObject:
    """An object made by one apply; `moment` counts what was written to it."""

    def __init__(self, document: Document, manager: str) -> None:
        self._live = copy.deepcopy(document)
        self._owns: dict[str, set[Path]] = {manager: set(leaf_paths(document))}
        self._times = {manager: 0}
        self._operations = {manager: "Apply"}
        self._moment = 0

    def update(self, path: Path, value: Any, manager: str) -> None:
        """Let somebody write another value, as `kubectl edit` does."""
        parent, last = self._parent(path)
        parent[last] = value
        self._taken(path, manager)
        self._owns[manager].add(path)

    def remove(self, path: Path, manager: str) -> None:
        """Let somebody take a field away; something of theirs stays elsewhere in the object."""
        parent, last = self._parent(path)
        if path[-1].startswith("k:"):
            names = json.loads(path[-1][2:])
            parent[:] = [each for each in parent if any(each[name] != value for name, value in names.items())]
        else:
            del parent[last]
        self._taken(path, manager)
        self._owns[manager].add(("f:metadata", "f:annotations", "f:theirs"))

    def add(self, path: Path, element: Document, manager: str) -> None:
        """Let somebody put an element into a list."""
        parent, _ = self._parent(path)
        parent.append(copy.deepcopy(element))
        self._wrote(manager, "Update")
        self._owns[manager] |= {(*path, f"f:{name}") for name in element}

    def apply_too(self, path: Path, manager: str) -> None:
        """Let somebody apply the same value: both own it then."""
        self._wrote(manager, "Apply")
        self._owns[manager].add(path)

    def value(self, path: Path) -> Any:
        parent, last = self._parent(path)
        return parent[last]

    @property
    def live(self) -> Document:
        """Return it as the server answers."""
        made = copy.deepcopy(self._live)
        made["metadata"]["managedFields"] = [
            {
                "manager": manager,
                "operation": self._operations[manager],
                "time": f"2026-11-30T00:{self._times[manager]:02}:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": _tree(paths),
            }
            for manager, paths in self._owns.items()
            if paths
        ]
        return made

    def _wrote(self, manager: str, operation: str) -> None:
        self._moment += 1
        self._owns.setdefault(manager, set())
        self._times[manager], self._operations[manager] = self._moment, operation

    def _taken(self, path: Path, manager: str) -> None:
        self._wrote(manager, "Update")
        for owned in self._owns.values():
            owned -= {each for each in owned if each[: len(path)] == path}

    def _parent(self, path: Path) -> tuple[Any, str]:
        found: Any = self._live
        for step in path[:-1]:
            if step.startswith("k:"):
                names = json.loads(step[2:])
                found = next(each for each in found if all(each[name] == value for name, value in names.items()))
            else:
                found = found[step[2:]]
        return found, path[-1][2:]


def can_change(path: Path) -> bool:
    """Return whether a field can have another value: what names an element of a list makes another element."""
    return len(path) < 2 or not path[-2].startswith("k:") or path[-1][2:] not in json.loads(path[-2][2:])


def _tree(paths: set[Path]) -> Document:
    made: Document = {}
    for path in paths:
        here = made
        for step in path:
            here = here.setdefault(step, {".": {}} if step.startswith("k:") else {})
    return made
