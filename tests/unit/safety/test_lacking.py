"""What a cluster lacks is told whole, before anything is written; what fits an empty cluster is never refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from catalogue import norms
from infra.errors import InfraError
from infra.live import NotAllowed
from infra.safety.asking import refuse_lacking
from infra.safety.lacking import READY, Cluster, Node, lacking, memory, refuse
from infra.spreading import HOST, POOL, ZONE, database, pods
from tests.support.centres import apart, lab, production
from tests.support.declared import built_once

Document = Mapping[str, Any]


def node_of(cpu: float, memory: float, zone: str = "a") -> Node:
    return Node(cpu, memory, {HOST: "h", ZONE: zone})


ZONED = tuple(node_of(8000, 32 * 1024, zone) for zone in ("a", "b", "c"))
CLASSES = frozenset({"local-retain", "cephfs-retain"})
ENOUGH = Cluster(lambda _: True, CLASSES, frozenset({"traefik"}), lambda _: READY, ZONED)
ONE = replace(ENOUGH, nodes=[Node(2000, 8 * 1024)])


def everything(centre: Any) -> list[Document]:
    return [item.document for stack in centre.stacks.values() for item in stack]


def told(cluster: Cluster, documents: Sequence[Document] | None = None) -> list[str]:
    return list(lacking(documents if documents is not None else everything(production()), cluster))


def test_a_cluster_that_has_everything_lacks_nothing_and_a_lab_fits_on_one_small_node() -> None:
    assert told(ENOUGH) == []
    assert told(ONE, everything(lab())) == []


def test_everything_that_is_missing_is_told_at_once_with_who_needs_it() -> None:
    unserved = replace(
        ENOUGH,
        serves=lambda each: each["kind"] not in ("Cluster", "HTTPRoute"),
        storage_classes=frozenset({"fast"}),
        gateway_classes=frozenset(),
    )
    found = told(unserved)
    assert found[:2] == [
        "it does not know the kind HTTPRoute of gateway.networking.k8s.io/v1",
        "it does not know the kind Cluster of postgresql.cnpg.io/v1",
    ]
    claim = "PersistentVolumeClaim httt-portal-app/portal-files-templates"
    assert found[2] == f"it has no storage class 'cephfs-retain', which {claim} names; it has fast"
    assert found[3].startswith("it has no storage class 'local-retain', which ")
    assert found[3].endswith(" names; it has fast")
    assert found[4] == "it has no gateway class 'traefik', which Gateway dcshift-edge/edge names; it has none"
    assert len(found) == 5
    with pytest.raises(InfraError, match="cannot take what is declared") as refused:
        refuse(everything(production()), unserved)
    assert refused.value.code == "cluster-lacks"
    assert refused.value.why.splitlines() == [found[0], *(f"         {each}" for each in found[1:])]


def test_a_kind_that_the_same_stacks_define_is_not_missing() -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.vn"},
        "spec": {"group": "example.vn", "names": {"kind": "Thing"}},
    }
    thing = {"apiVersion": "example.vn/v1", "kind": "Thing", "metadata": {"name": "one"}}
    nothing = replace(ENOUGH, serves=lambda each: each["kind"] == "CustomResourceDefinition")
    assert told(nothing, [definition, thing]) == []
    assert told(nothing, [thing]) == ["it does not know the kind Thing of example.vn/v1"]


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([], "it has no node that takes pods"),
        ([node_of(300, 10**6)] * 3, "its nodes give 900m of cpu to pods, and "),
        ([node_of(10**5, 700)] * 3, "its nodes give 2100Mi of memory to pods, and "),
        (ZONED[:2], "Cluster httt-portal-data/portal-db needs 3 hosts, each for one pod, and it has 2"),
        ([node_of(8000, 10**5)] * 3, "Deployment httt-portal-app/portal-web is to stand in several zones, and all "),
        ([node_of(90, 10**6, zone) for zone in "abc" * 33], "a pod of Cluster httt-portal-data/portal-db reserves"),
        ([Node(8000, 10**5, {HOST: "h"})] * 3, f"none of its nodes has the label {ZONE}, over which "),
    ],
)  # fmt: skip
def test_too_little_room_is_told_with_its_figures(nodes: Sequence[Node], sentence: str) -> None:
    assert any(each.startswith(sentence) for each in told(replace(ENOUGH, nodes=nodes))), nodes


def pooled(cpu: float, *, label: str | None = "portal", taint: str | None = "portal") -> list[Node]:
    """Return nodes of a pool, one a zone, beside those that take whatever comes."""
    labels = {POOL: label} if label else {}
    return [replace(node, cpu=cpu, labels={**node.labels, **labels}, pool=taint) for node in ZONED]


@pytest.mark.parametrize(
    ("nodes", "sentences"),
    [
        ([*ZONED, *pooled(8000)], []),
        (ZONED, [f"it has no node of the pool 'portal' (label and taint {POOL}=portal), for which Cluster "]),
        (pooled(8000), ["it has no node that takes pods"]),
        ([*ZONED, *pooled(8000, taint="internet")], ["it has no node of the pool 'portal'"]),
        ([*ZONED, *pooled(8000, label=None)], ["it has no node of the pool 'portal'"]),
        ([*ZONED, *pooled(8000, taint=None)], [f"3 nodes of the pool 'portal' have no taint {POOL}=portal:NoSchedule"]),
        ([*ZONED, *pooled(90)], ["its nodes of the pool 'portal' give 270m of cpu to pods", "a pod of "]),
    ],
    ids=["apart", "no pool", "no other", "of another", "not labelled", "open to all", "too small"],
)
def test_a_pool_has_nodes_of_its_own_that_are_closed_to_others(nodes: Sequence[Node], sentences: list[str]) -> None:
    found = told(replace(ENOUGH, nodes=nodes), everything(apart()))
    assert bool(found) == bool(sentences)
    for sentence in sentences:
        assert any(each.startswith(sentence) for each in found), found


def test_the_pods_that_are_counted_are_those_that_an_autoscaler_begins_with() -> None:
    documents = [copy.deepcopy(dict(each)) for each in everything(production())]
    for each in documents:
        if each["kind"] == "HorizontalPodAutoscaler":
            each["spec"]["minReplicas"] = 10_000
    assert any("of cpu to pods, and 1000" in each for each in told(ENOUGH, documents))


@pytest.mark.parametrize(
    ("quantity", "mebibytes"), [("1Gi", 1024), ("512Mi", 512), ("2048Ki", 2), ("1048576", 1), ("1G", 953.67), (0, 0)]
)
def test_quantities_of_memory(quantity: object, mebibytes: float) -> None:
    assert memory(quantity) == pytest.approx(mebibytes, rel=1e-4)


class Told:
    """A cluster that answers lists by their path."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        self._nodes = nodes

    def serves(self, document: Document) -> bool:
        return True

    def items(self, path: str) -> list[dict[str, Any]]:
        kind = path.rpartition("/")[2]
        if kind == "nodes":
            return self._nodes
        return [{"metadata": {"name": {"storageclasses": "local-retain", "gatewayclasses": "traefik"}[kind]}}]


def node(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, "spec": spec, "status": {"allocatable": {"cpu": "2", "memory": "7900Mi"}}}


def test_a_node_that_is_kept_for_others_is_no_room_and_one_that_is_away_for_a_while_is() -> None:
    wanted = [built_once("data"), built_once("portal")]
    for ours in (
        node(),
        node(unschedulable=True, taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
        node(taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]),
        node(taints=[{"key": "soft", "effect": "PreferNoSchedule"}]),
    ):
        refuse_lacking(wanted, Told([ours]))  # type: ignore[arg-type]
    for key, effect in (("node-role.kubernetes.io/control-plane", "NoSchedule"), ("own", "NoExecute")):
        with pytest.raises(InfraError, match="cannot take") as refused:
            refuse_lacking(wanted, Told([node(taints=[{"key": key, "effect": effect}])]))  # type: ignore[arg-type]
        assert refused.value.why == "it has no node that takes pods"


def test_a_node_of_a_pool_is_room_for_that_pool_alone() -> None:
    wanted = [built_once("data"), built_once("portal")]
    for taint, why in (
        ({"key": POOL, "value": "portal", "effect": "NoSchedule"}, "it has no node that takes pods"),
        ({"key": POOL, "value": "portal", "effect": "NoExecute"}, "it has no node that takes pods"),
    ):
        with pytest.raises(InfraError, match="cannot take") as refused:
            refuse_lacking(wanted, Told([node(taints=[taint])]))  # type: ignore[arg-type]
        assert refused.value.why == why


def test_what_whoever_asks_may_not_read_is_said_and_the_rest_is_judged() -> None:
    """A system's pipeline sees neither nodes nor classes: what it may ask is refused all the same."""
    unknown: list[str] = []

    class Pipeline(Told):
        def items(self, path: str) -> list[dict[str, Any]]:
            raise NotAllowed("cluster-unread", what=f"{path} could not be read", why="403", state="-", next="-")

        def read(self, document: Document) -> dict[str, Any]:
            return self.items(str(document["kind"]))[0]

        def serves(self, document: Document) -> bool:
            return document["kind"] not in unknown

    pipeline: Any = Pipeline([])
    with pytest.raises(NotAllowed):
        refuse_lacking([built_once("portal")], pipeline)
    said: list[str] = []
    refuse_lacking([built_once("portal")], pipeline, said.append)
    (only,) = said
    assert only.startswith("nodes, their zones and their room are not known: /api/v1/nodes could not be read")
    unknown.append("HTTPRoute")
    with pytest.raises(InfraError) as refused:
        refuse_lacking([built_once("portal")], pipeline, said.append)
    assert refused.value.code == "cluster-lacks"
    assert refused.value.why == "it does not know the kind HTTPRoute of gateway.networking.k8s.io/v1"
    # Also what only some stacks name: nobody may take it for something that was looked at.
    said.clear()
    unknown.clear()
    refuse_lacking([built_once("platform"), built_once("data")], pipeline, said.append)
    assert {each.partition(" ")[0] for each in said} == {"storage", "gateway", "an", "nodes,"}


@pytest.mark.parametrize(
    ("level", "of_pods", "of_instances", "zones"),
    [
        (1, ["ScheduleAnyway"], "preferred", 0),
        (2, ["ScheduleAnyway"], "preferred", 0),
        (3, ["DoNotSchedule", "ScheduleAnyway"], "required", 1),
        (4, ["DoNotSchedule", "ScheduleAnyway"], "required", 1),
    ],
)
def test_copies_are_spread_as_the_level_asks(level: int, of_pods: list[str], of_instances: str, zones: int) -> None:
    asked = norms.controls(norms.named("vn-2016"), level)
    assert [each["whenUnsatisfiable"] for each in pods(asked, {"a": "b"})] == of_pods
    made = database(asked, "x-db", None)
    assert made["affinity"]["podAntiAffinityType"] == of_instances
    assert len(made.get("topologySpreadConstraints", [])) == zones
    in_a_lab = [
        pods(None, {"a": "b"})[0]["whenUnsatisfiable"],
        database(None, "x-db", None)["affinity"]["podAntiAffinityType"],
    ]
    assert in_a_lab == ["ScheduleAnyway", "preferred"]
