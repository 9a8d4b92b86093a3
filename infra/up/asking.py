"""Asks the cluster of `KUBECONFIG` whether it can take what is declared, and what is left there; it writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra import cluster_api
from infra.live import Live
from infra.render.declared import Built
from infra.safety import kept_volumes, lacking
from infra.safety.lacking import Cluster, Node

_CLASSES: Final = {"storage": "/apis/storage.k8s.io/v1/storageclasses",
                   "gateway": "/apis/gateway.networking.k8s.io/v1/gatewayclasses"}  # fmt: skip
_CLOSED: Final = ("NoSchedule", "NoExecute")
_PASSING: Final = "node.kubernetes.io/"
"""Taints by which Kubernetes itself says how a node is now: not ready, drained, short of memory."""


def refuse_lacking(wanted: Sequence[Built], live: Live | None = None) -> None:
    """Raise `InfraError`: `cluster-lacks` with everything that is missing, `cluster-unread` when it cannot be known."""
    live = live or Live(cluster_api.connected())
    documents = [declared.inputs for each in wanted for declared in each.objects]
    lacking.refuse(
        documents,
        Cluster(
            serves=live.serves,
            storage_classes=_names(live, _CLASSES["storage"]),
            gateway_classes=_names(live, _CLASSES["gateway"]),
            issuer=lambda named: _issuer(live.read(named)),
            nodes=[_node(each) for each in live.items("/api/v1/nodes") if _takes_pods(each)],
        ),
    )


def refuse_emptied(wanted: Sequence[Built], live: Live | None = None) -> None:
    """Raise `InfraError`: `database-would-be-empty`, `cluster-unread` when it cannot be known.

    Nothing where the stack says that its data may be destroyed. Volumes are asked for where a database is not there.
    """
    held = [each for each in wanted if each.settings and not each.settings.data_may_be_destroyed]
    documents = [declared.inputs for each in held for declared in each.of("Cluster")]
    if not documents:
        return
    live = live or Live(cluster_api.connected())
    if absent := kept_volumes.absent(documents, lambda each: live.read(each) is not None):
        kept_volumes.refuse(kept_volumes.holding(absent, live.items("/api/v1/persistentvolumes")))


def _names(live: Live, path: str) -> frozenset[str]:
    return frozenset(each["metadata"]["name"] for each in live.items(path))


def _issuer(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "is not there"
    conditions = found.get("status", {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return lacking.READY if ready else "is not ready"


def _node(found: Mapping[str, Any]) -> Node:
    given, labels = found["status"].get("allocatable") or {}, found["metadata"].get("labels") or {}
    return Node(lacking.cpu(given.get("cpu", 0)), lacking.memory(given.get("memory", 0)), labels)


def _takes_pods(node: Mapping[str, Any]) -> bool:
    # A host that is drained, or away for a while, is still the cluster's: what it is kept for says its own taint.
    taints = (node.get("spec") or {}).get("taints") or []
    return not any(each["effect"] in _CLOSED and not each["key"].startswith(_PASSING) for each in taints)
