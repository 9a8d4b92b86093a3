"""What a deployment of a release may change, judged on Pulumi's own preview before anything is applied; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
        found.append(Change(step["op"], kind, metadata.get("namespace", ""), metadata.get("name", ""), because))
    return found


def unexpected(found: Sequence[Change], namespace: str) -> list[Change]:
    """Return the changes that a deployment of a release has no business making."""
    return [each for each in found if each.namespace != namespace or not _may(each)]


def _may(change: Change) -> bool:
    if change.kind == "ServiceAccount":
        return change.op in ("create", "delete") and change.name.endswith(_SCHEMA_ACCOUNT)
    return change.op in _MAY.get(change.kind, frozenset())
