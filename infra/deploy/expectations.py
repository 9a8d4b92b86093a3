"""What a deployment of a release may change, judged on Pulumi's own preview before anything is applied; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.deploy.fields import Field, changed

_QUIET: Final = frozenset({"same", "read", "refresh"})
_REPLACES: Final = frozenset({"create-replacement", "delete-replaced", "replace"})
_MAY: Final[Mapping[str, frozenset[str]]] = {
    "Deployment": frozenset({"update"}),
    "CronJob": frozenset({"update"}),
    "StatefulSet": frozenset({"update"}),
    # The contract says which release is deployed.
    "ConfigMap": frozenset({"update"}),
    # A schema migration is a Job per release.
    "Job": frozenset({"create", "delete"}) | _REPLACES,
}
_OBJECTS_MAX: Final = 30
"""Objects that are told: more than a system has of those that a release may change."""
_SCHEMA_ACCOUNT: Final = "-schema"
"""The account of schema migrations comes and goes with them; no other account does."""


@dataclass(frozen=True, slots=True)
class Change:
    """One operation that the engine would do: `op` in Pulumi's words, `kind` in Kubernetes' words."""

    op: str
    kind: str
    namespace: str
    name: str
    because: tuple[str, ...] = ()
    """The fields that need a new object, as the plugin names them."""
    fields: tuple[Field, ...] = ()
    """What changes in an object that is there, live, as far as it is told."""
    more: int = 0
    """How many fields more change."""

    def __str__(self) -> str:
        told = f" because of {', '.join(self.because)}" if self.because else ""
        return f"{self.op} {self.kind} {self.namespace}/{self.name}{told}"


def changes(preview: Mapping[str, Any]) -> list[Change]:
    """Return every change of real objects in the JSON of `pulumi preview --json`; components and stacks hold none."""
    found = []
    for step in preview.get("steps", []):
        state = step.get("newState") or step.get("oldState") or {}
        if step["op"] in _QUIET or not state.get("custom") or "kubernetes:" not in state.get("type", ""):
            continue
        inputs = state.get("inputs", {})
        metadata = inputs.get("metadata", {})
        kind = inputs.get("kind") or state["type"].rpartition(":")[2]
        because = tuple(step.get("replaceReasons") or ())
        fields, more = _fields(step)
        named = (kind, metadata.get("namespace", ""), metadata.get("name", ""))
        found.append(Change(step["op"], *named, because, tuple(fields), more))
    return found


def _fields(step: Mapping[str, Any]) -> tuple[list[Field], int]:
    """Return the fields of one step; none where an object is made or goes: it is new or gone as a whole."""
    old, new = step.get("oldState"), step.get("newState")
    if step["op"] not in ("update", "replace") or not old or not new:
        return [], 0
    return changed(old.get("inputs") or {}, new.get("inputs") or {})


def told(found: Sequence[Change]) -> list[str]:
    """Return the changes as lines that people review: each object, and below it field by field, old → new."""
    lines = []
    for change in found[:_OBJECTS_MAX]:
        lines += [str(change), *(f"  {field}" for field in change.fields)]
        lines += [f"  … and {change.more} fields more"] if change.more else []
    if len(found) > _OBJECTS_MAX:
        lines.append(f"… and {len(found) - _OBJECTS_MAX} objects more")
    return lines or ["nothing would change"]


def rows(found: Sequence[Change]) -> dict[str, Any]:
    """Return the same, as data."""
    objects = [
        {
            "op": change.op,
            "object": f"{change.kind} {change.namespace}/{change.name}",
            "fields": [{"field": each.path, "old": each.old, "new": each.new} for each in change.fields],
            "fields_left_out": change.more,
        }
        for change in found[:_OBJECTS_MAX]
    ]
    return {"objects": objects, "objects_left_out": max(0, len(found) - _OBJECTS_MAX)}


def unexpected(found: Sequence[Change], namespace: str) -> list[Change]:
    """Return the changes that a deployment of a release has no business making."""
    return [each for each in found if each.namespace != namespace or not _may(each)]


def _may(change: Change) -> bool:
    if change.kind == "ServiceAccount":
        return change.op in ("create", "delete") and change.name.endswith(_SCHEMA_ACCOUNT)
    return change.op in _MAY.get(change.kind, frozenset())
