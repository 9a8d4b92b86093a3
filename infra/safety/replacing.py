"""Which changes of what holds data need a new object; pure: it compares what was applied with what is declared.

A new object of a database under the same name is an empty database. The engine finds out at that object, when others
are written already, and says no field; here it is found out before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra import labels
from infra.errors import InfraError
from infra.render.declared import Built, Declared
from infra.rules.keeping import KEPT

Document = Mapping[str, Any]
PROVIDER: Final = "pulumi:providers:kubernetes"
CLUSTER_IDENTIFIER: Final = "clusterIdentifier"
_EVERY_KIND: Final = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_VOLUME: Final = ("csi", "hostPath", "local", "nfs", "nodeAffinity", "volumeMode")
_CLAIM: Final = (
    *("accessModes", "dataSource", "dataSourceRef", "selector", "storageClassName", "volumeMode", "volumeName"),
)
_OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql.cnpg.io/Cluster": ("spec.bootstrap", "spec.storage.storageClass", "spec.walStorage.storageClass"),
    "/PersistentVolumeClaim": tuple(f"spec.{field}" for field in _CLAIM),
    # Another group or name of a definition is another kind: all objects of the old one go with it.
    "apiextensions.k8s.io/CustomResourceDefinition": (
        *("spec.group", "spec.names.kind", "spec.names.plural", "spec.scope"),
    ),
    "/PersistentVolume": tuple(f"spec.{field}" for field in _VOLUME),
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    f"{kind.group}/{kind.name}": (*_EVERY_KIND, *_OF_KIND.get(f"{kind.group}/{kind.name}", ())) for kind in KEPT
}
"""By group and kind, the fields whose change needs a new object. Whatever else changes is changed in place.

The plugin decides; a test compares this table with what the stand-in says of every field. CloudNativePG's own webhook
refuses a changed storage class, and takes a changed `bootstrap` without a word: only a new cluster is born another way.
"""
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Replacement:
    """An object that holds data and would be exchanged for a new one, or let go, because of one field."""

    stack: str
    identity: str
    field: str
    was: str
    would_be: str

    def __str__(self) -> str:
        return f"stack {self.stack}: {self.identity} {self.field}: {self.was} → {self.would_be}"


def resources(export: Document) -> list[Document]:
    """Return what a stack's exported state says of its resources; none of a stack that was never applied."""
    found = (export.get("deployment") or {}).get("resources") or []
    return [each for each in found if not each.get("delete")]


def replacements(built: Built, export: Document) -> Iterator[Replacement]:
    """Yield what of a stack's data an `up` would replace or let go; `export` is what was applied last.

    Nothing where the stack says that its data may be destroyed: that is what saying so is for.
    """
    assert built.settings is not None
    if built.settings.data_may_be_destroyed:
        return
    before = {(str(each["type"]), _name(each)): each for each in resources(export)}
    now = {(each.type, each.name): each for each in built.resources}
    for key, known in before.items():
        if not _holds_data(known.get("inputs") or {}):
            continue
        identity = _identity(known["inputs"])
        declared = now.get(key)
        if declared is None:
            yield Replacement(built.stack, identity, "the whole object", "declared", "declared no more under this name")
            continue
        for field, was, would_be in changed(known["inputs"], declared):
            yield Replacement(built.stack, identity, field, was, would_be)
        for was, would_be in _other_cluster(before, now):
            yield Replacement(built.stack, identity, f"{CLUSTER_IDENTIFIER} of its provider", was, would_be)


def changed(applied: Document, declared: Declared) -> Iterator[tuple[str, str, str]]:
    """Yield each replacing field that differs, with what it was and would be, as the engine will see it."""
    for rule in FIELDS[_key(applied)]:
        # What the engine is told to ignore keeps the value of last time before anybody compares it.
        if any(rule == ignored or rule.startswith(f"{ignored}.") for ignored in declared.ignored):
            continue
        yield from _differing(_at(applied, rule), _at(declared.inputs, rule), rule)


def refuse(found: Iterable[Replacement]) -> None:
    """Raise `InfraError` (`data-would-be-replaced`) that names every object and field."""
    every = list(found)
    if not every:
        return
    raise InfraError(
        "data-would-be-replaced",
        what=f"{len({(each.stack, each.identity) for each in every})} object(s) that hold data would be replaced",
        why="\n         ".join(map(str, every)),
        state="nothing was written",
        next="put the fields named above back; data moves to a new object by a migration, never by `up`",
    )


def _name(resource: Document) -> str:
    return str(resource["urn"]).rpartition("::")[2]


def _key(inputs: Document) -> str:
    group = str(inputs.get("apiVersion", "")).rpartition("/")[0]
    return f"{group}/{inputs.get('kind', '')}"


def _holds_data(inputs: Document) -> bool:
    # What a namespace of the tier `app` holds may be thrown away, but not volumes; a definition is an operator's.
    if inputs.get("kind") == "Namespace":
        found = inputs.get("metadata", {}).get("labels") or {}
        return found.get(labels.TIER) == "data" or labels.KEEPS in found
    return _key(inputs) in FIELDS


def _identity(inputs: Document) -> str:
    metadata = inputs.get("metadata", {})
    where = metadata.get("namespace")
    return f"{inputs.get('kind')} {where + '/' if where else ''}{metadata.get('name', '')}"


def _other_cluster(
    before: Mapping[tuple[str, str], Document], now: Mapping[tuple[str, str], Declared]
) -> Iterator[tuple[str, str]]:
    for key, known in before.items():
        declared = now.get(key)
        if key[0] == PROVIDER and declared is not None:
            was, would_be = known.get("inputs", {}).get(CLUSTER_IDENTIFIER), declared.inputs.get(CLUSTER_IDENTIFIER)
            if was != would_be:
                yield str(was), str(would_be)


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def _differing(was: Any, would_be: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield the smallest fields that differ: people look for a field, not for the section that it stands in."""
    if isinstance(was, Mapping) and isinstance(would_be, Mapping):
        for key in sorted(was.keys() | would_be.keys()):
            yield from _differing(was.get(key, _ABSENT), would_be.get(key, _ABSENT), f"{path}.{key}")
    elif was is not would_be and was != would_be:
        yield path, _said(was), _said(would_be)


def _said(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return f"{value}" if isinstance(value, str | int | float | bool) else "another value"
