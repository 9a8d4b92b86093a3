"""What a cluster lacks for what is to be brought up: kinds, classes, issuers, hosts, zones, room; pure.

Room is counted as if the cluster were empty: what does not fit there fits nowhere, and nothing is refused in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

from infra.errors import InfraError
from infra.spreading import HOST, POOL, ZONE

Document = Mapping[str, Any]
READY: Final = "is ready"
_PODS: Final = ("Deployment", "StatefulSet")


@dataclass(frozen=True, slots=True)
class Node:
    """One node that takes pods: thousandths of a CPU and MiB that it gives to them, and its labels."""

    cpu: float
    memory: float
    labels: Mapping[str, str] = field(default_factory=dict)
    pool: str | None = None
    """The pool that its taint keeps it for; none where it takes whatever comes."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is known of a cluster; None is what nobody could read, and is not judged."""

    serves: Callable[[Document], bool]
    """Whether it knows an object's kind."""
    storage_classes: frozenset[str] | None
    gateway_classes: frozenset[str] | None
    issuer: Callable[[Document], str]
    """What an issuer of certificates does: `READY`, or a phrase that says what instead."""
    nodes: Sequence[Node] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Pods of one kind that must stand at once."""

    object: str
    count: int
    cpu: float
    memory: float
    apart: bool
    """Whether each must have a host of its own."""
    keys: tuple[str, ...]
    """Labels by which a node must be known, or none of the pods is placed there."""
    pool: str | None
    """The pool of nodes that they keep to."""


def refuse(documents: Sequence[Document], cluster: Cluster) -> None:
    """Raise `InfraError` (`cluster-lacks`) with everything that is missing."""
    if found := list(lacking(documents, cluster)):
        raise InfraError(
            "cluster-lacks",
            what="the cluster of KUBECONFIG cannot take what is declared",
            why="\n         ".join(found),
            state="nothing was written",
            next="add to the cluster what is missing, or mend the catalogue (docs/own-centre.md, what must be there)",
        )


def lacking(documents: Sequence[Document], cluster: Cluster) -> Iterator[str]:
    """Yield a sentence for everything that is missing."""
    defined = {
        (each["spec"]["group"], each["spec"]["names"]["kind"])
        for each in documents
        if each["kind"] == "CustomResourceDefinition"
    }
    kinds = {(each["apiVersion"], each["kind"]): each for each in documents}
    for (version, kind), example in sorted(kinds.items()):
        if (version.partition("/")[0], kind) not in defined and not cluster.serves(example):
            yield f"it does not know the kind {kind} of {version}"
    for what, named, known in (
        ("storage class", storage(documents), cluster.storage_classes),
        ("gateway class", gateways(documents), cluster.gateway_classes),
    ):
        for name, users in sorted(named.items()):
            if known is not None and name not in known:
                yield f"it has no {what} {name!r}, which {users[0]} names; it has {', '.join(sorted(known)) or 'none'}"
    yield from _issuers(documents, cluster)
    if cluster.nodes is not None:
        wanted = [asked for each in documents for asked in _asked(each, documents)]
        for pool in sorted({each.pool for each in wanted}, key=str):
            yield from _room_of(pool, [each for each in wanted if each.pool == pool], cluster.nodes)


def storage(documents: Sequence[Document]) -> dict[str, list[str]]:
    """Return the storage classes that are named, each with who names it."""
    found: dict[str, list[str]] = {}
    for each in documents:
        spec = each.get("spec") or {}
        volumes = [spec, *(spec.get(key) or {} for key in ("storage", "walStorage"))]
        volumes += [claim["spec"] for claim in spec.get("volumeClaimTemplates") or []]
        for volume in volumes:
            if name := volume.get("storageClass") or volume.get("storageClassName"):
                found.setdefault(name, []).append(_named(each))
    return found


def gateways(documents: Sequence[Document]) -> dict[str, list[str]]:
    """Return the gateway classes that are named, each with who names it."""
    found: dict[str, list[str]] = {}
    for each in documents:
        if each["kind"] == "Gateway":
            found.setdefault(each["spec"]["gatewayClassName"], []).append(_named(each))
    return found


def _issuers(documents: Sequence[Document], cluster: Cluster) -> Iterator[str]:
    """Yield what would never sign: the engine would wait for such a certificate with half of the stack written."""
    for each in documents:
        if each["kind"] != "Certificate":
            continue
        asked, where = each["spec"]["issuerRef"], each["metadata"]["namespace"]
        named = {"name": asked["name"], "namespace": where}
        how = cluster.issuer({"apiVersion": each["apiVersion"], "kind": asked["kind"], "metadata": named})
        if how != READY:
            yield f"{asked['kind']} {asked['name']}, which is to sign {_named(each)}, {how}"


def _room_of(pool: str | None, asked: Sequence[Asked], nodes: Sequence[Node]) -> Iterator[str]:
    if pool is None:
        yield from _room(asked, [node for node in nodes if node.pool is None], "its nodes")
        return
    named = [node for node in nodes if node.labels.get(POOL) == pool]
    if open_to_all := sum(node.pool is None for node in named):
        yield f"{open_to_all} nodes of the pool {pool!r} have no taint {POOL}={pool}:NoSchedule: others may stand there"
    own = [node for node in named if node.pool in (None, pool)]
    if own:
        yield from _room(asked, own, f"its nodes of the pool {pool!r}")
    else:
        yield f"it has no node of the pool {pool!r} (label and taint {POOL}={pool}), for which {asked[0].object} asks"


def _room(asked: Sequence[Asked], nodes: Sequence[Node], whose: str) -> Iterator[str]:
    if not nodes:
        yield "it has no node that takes pods"
        return
    for unit, name in (("m", "cpu"), ("Mi", "memory")):
        wanted = sum(each.count * getattr(each, name) for each in asked)
        has = sum(getattr(node, name) for node in nodes)
        if wanted > has:
            yield f"{whose} give {has:.0f}{unit} of {name} to pods, and {wanted:.0f}{unit} are reserved at once"
    for each in asked:
        # A node without the label of a zone is, to the scheduler, no place at all.
        known = [node for node in nodes if all(node.labels.get(key) for key in each.keys)]
        if not known:
            yield f"none of {whose} has the label {' and '.join(each.keys)}, over which {each.object} is spread"
        elif ZONE in each.keys and each.count > 1 and len({node.labels[ZONE] for node in known}) == 1:
            # To the scheduler one zone is evenly filled, however many pods stand in it.
            yield f"{each.object} is to stand in several zones, and all {whose} are in {known[0].labels[ZONE]!r}"
        elif each.apart and each.count > len(known):
            yield f"{each.object} needs {each.count} hosts, each for one pod, and it has {len(known)}"
        elif not any(node.cpu >= each.cpu and node.memory >= each.memory for node in known):
            yield f"a pod of {each.object} reserves {each.cpu:.0f}m and {each.memory:.0f}Mi: more than any node gives"


def _asked(document: Document, documents: Sequence[Document]) -> Iterator[Asked]:
    spec = document.get("spec") or {}
    if document["kind"] == "Cluster":
        affinity = spec.get("affinity") or {}
        apart = affinity.get("podAntiAffinityType") == "required" and affinity.get("topologyKey", HOST) == HOST
        chosen = {**affinity, "topologySpreadConstraints": spec.get("topologySpreadConstraints")}
        yield _of(document, int(spec["instances"]), [spec], apart, chosen)
    elif document["kind"] == "Pooler":
        pod = spec["template"]["spec"]
        yield _of(document, int(spec["instances"]), pod["containers"], False, pod)
    elif document["kind"] in _PODS:
        pod = spec["template"]["spec"]
        least = spec.get("replicas", 1)
        for each in documents:
            if each["kind"] == "HorizontalPodAutoscaler" and _scales(each, document):
                least = each["spec"]["minReplicas"]
        yield _of(document, int(least), pod["containers"], False, pod)


def _scales(scaler: Document, document: Document) -> bool:
    goal, metadata = scaler["spec"]["scaleTargetRef"], document["metadata"]
    return (goal["kind"], goal["name"], scaler["metadata"]["namespace"]) == (
        document["kind"], metadata["name"], metadata["namespace"],
    )  # fmt: skip


def _of(document: Document, count: int, containers: Sequence[Document], apart: bool, chosen: Document) -> Asked:
    requests = [(each.get("resources") or {}).get("requests") or {} for each in containers]
    spread = chosen.get("topologySpreadConstraints") or []
    must = tuple(each["topologyKey"] for each in spread if each["whenUnsatisfiable"] == "DoNotSchedule")
    return Asked(
        _named(document),
        count,
        sum(cpu(each.get("cpu", 0)) for each in requests),
        sum(memory(each.get("memory", 0)) for each in requests),
        apart,
        must,
        (chosen.get("nodeSelector") or {}).get(POOL),
    )


def cpu(quantity: object) -> float:
    """Return a quantity of CPU such as `250m` or `2` in thousandths."""
    return float(parse_quantity(quantity) * 1000)


def memory(quantity: object) -> float:
    """Return a quantity of memory such as `512Mi`, `8Gi` or bytes in MiB."""
    return float(parse_quantity(quantity) / 2**20)


def _named(document: Document) -> str:
    metadata = document["metadata"]
    return f"{document['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"
