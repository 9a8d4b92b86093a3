"""A small API server in memory, as far as the stand-in asks one: objects, their managers, deletions."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from standin.cluster import Address
from standin.kinds import Kind, UnsupportedError


@dataclass
class FakeCluster:
    """Keeps objects by (namespace, name); an apply merges the top level of `spec` and records who did it."""

    live: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    uids: int = 0

    def address(self, kind: Kind) -> Address:
        if kind.name == "Unserved":
            raise UnsupportedError("the cluster does not serve kind Unserved in v1")
        return Address("/api/v1", kind.name.lower(), namespaced=kind.name != "Namespace")

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.live.get((namespace, name)))

    def apply(
        self, kind: Kind, document: dict[str, Any], manager: str, *, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        metadata = document["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        found = copy.deepcopy(self.live.get(key))
        if found is None:
            self.uids += 1
            found = {"metadata": {"uid": f"uid-{self.uids}", "managedFields": []}}
        found |= {**document, "metadata": {**found["metadata"], **metadata}, "status": self.status}
        found["metadata"]["managedFields"].append({"manager": manager})
        if not dry_run:
            self.live[key] = copy.deepcopy(found)
        return found

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, propagation: str) -> None:
        self.deleted.append(f"{namespace}/{name} {propagation}")
        del self.live[namespace, name]

    def items(self, path: str, **selectors: str) -> list[dict[str, Any]]:
        return [{"reason": "FailedMount", "message": "no such volume"}] if path.endswith("events") else []
