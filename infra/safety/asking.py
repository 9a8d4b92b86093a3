"""Asks the cluster of `KUBECONFIG` whether it can take what is declared, and what is left there; it writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from infra import cluster_api
from infra.live import Live, NotAllowed
from infra.render.declared import Built
from infra.safety import kept_volumes, lacking
from infra.safety.lacking import Cluster, Node
from infra.spreading import POOL

_CLASSES: Final = {"storage": "/apis/storage.k8s.io/v1/storageclasses",
                   "gateway": "/apis/gateway.networking.k8s.io/v1/gatewayclasses"}  # fmt: skip
_CLOSED: Final = ("NoSchedule", "NoExecute")
_PASSING: Final = "node.kubernetes.io/"
"""Taints by which Kubernetes itself says how a node is now: not ready, drained, short of memory."""


_Found = TypeVar("_Found")


def refuse_lacking(
    wanted: Sequence[Built], live: Live | None = None, unasked: Callable[[str], None] | None = None
) -> None:
    """Raise `InfraError`: `cluster-lacks` with everything that is missing, `cluster-unread` when it cannot be known.

    `unasked` hears what whoever asks may not read, and is not judged then; without it that is a fault, too.
    """
    live = live or Live(cluster_api.connected())
    documents = [declared.inputs for each in wanted for declared in each.objects]

    def known(what: str, ask: Callable[[], _Found]) -> _Found | None:
        try:
            return ask()
        except NotAllowed as refused:
            if unasked is None:
                raise
            unasked(f"{what} not known: {refused.what}, since this identity may not")
            return None

    lacking.refuse(
        documents,
        Cluster(
            serves=live.serves,
            # What no object names is not asked: a pipeline may not read it, and would be told so for nothing.
            storage_classes=known("storage classes are", lambda: _names(live, "storage"))
            if lacking.storage(documents)
            else frozenset(),
            gateway_classes=known("gateway classes are", lambda: _names(live, "gateway"))
            if lacking.gateways(documents)
            else frozenset(),
            issuer=lambda named: known("an issuer is", lambda: _issuer(live.read(named))) or lacking.READY,
            nodes=known("nodes, their zones and their room are", lambda: _nodes(live)),
        ),
    )


def refuse_emptied(wanted: Sequence[Built], live: Live | None = None) -> None:
    """Raise `InfraError`: `database-would-be-empty`, `cluster-unread` when it cannot be known.

    Nothing where the stack says that its data may be destroyed. Volumes are asked for where something is not there.
    """
    held = [each for each in wanted if each.settings and not each.settings.data_may_be_destroyed]
    documents = [declared.inputs for each in held for kind in kept_volumes.KINDS for declared in each.of(kind)]
    if not documents:
        return
    live = live or Live(cluster_api.connected())
    if absent := kept_volumes.absent(documents, lambda each: live.read(each) is not None):
        kept_volumes.refuse(kept_volumes.holding(absent, live.items("/api/v1/persistentvolumes")))


def _names(live: Live, kind: str) -> frozenset[str]:
    return frozenset(each["metadata"]["name"] for each in live.items(_CLASSES[kind]))


def _nodes(live: Live) -> list[Node]:
    return [_node(each) for each in live.items("/api/v1/nodes") if _takes_pods(each)]


def _issuer(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "is not there"
    conditions = found.get("status", {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return lacking.READY if ready else "is not ready"


def _node(found: Mapping[str, Any]) -> Node:
    given, labels = found["status"].get("allocatable") or {}, found["metadata"].get("labels") or {}
    pool = next((each.get("value", "") for each in _taints(found) if _of_a_pool(each)), None)
    return Node(lacking.cpu(given.get("cpu", 0)), lacking.memory(given.get("memory", 0)), labels, pool)


def _takes_pods(node: Mapping[str, Any]) -> bool:
    # A host that is drained, or away for a while, is still the cluster's: what it is kept for says its own taint.
    return not any(
        each["effect"] in _CLOSED and not _of_a_pool(each) and not each["key"].startswith(_PASSING)
        for each in _taints(node)
    )


def _of_a_pool(taint: Mapping[str, Any]) -> bool:
    return (taint["key"], taint["effect"]) == (POOL, "NoSchedule")


def _taints(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (node.get("spec") or {}).get("taints") or []
