"""Where a system's copies stand: on whose nodes, and so that a host or a zone that fails takes one of them; pure."""

from __future__ import annotations

from typing import Any, Final

from catalogue.controls import Controls

Document = dict[str, Any]
HOST: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"
POOL: Final = "dcshift.gov.vn/nhom-may"
"""The label by which nodes of a pool are chosen, and the taint (`NoSchedule`) that keeps everybody else off them."""


def on(pool: str | None) -> Document:
    """Return the fields, of a pod or of an affinity of CloudNativePG, that keep to the nodes of one pool."""
    if pool is None:
        return {}
    tolerated = {"key": POOL, "operator": "Equal", "value": pool, "effect": "NoSchedule"}
    return {"nodeSelector": {POOL: pool}, "tolerations": [tolerated]}


def pods(asked: Controls | None, selector: dict[str, str], by: str = "pod-template-hash") -> list[Document]:
    """Return a deployment's `topologySpreadConstraints`; without controls (a lab) it is spread where it can be.

    `by` is the label that tells the pods of one roll-out from those of another.
    """
    how = asked.spread if asked else "none"
    # Of one roll-out alone: the pods that are about to go would otherwise keep the new ones from their hosts.
    own = {"labelSelector": {"matchLabels": selector}, "matchLabelKeys": [by]}
    # Not both: where one zone has fewer hosts than another, no host would be left for the next pod.
    over_hosts = _over(HOST, own, must=how == "node")
    return [_over(ZONE, own, must=True), over_hosts] if how == "zone" else [over_hosts]


def database(asked: Controls | None, cluster: str, pool: str | None) -> Document:
    """Return the part of CloudNativePG's `Cluster` that says where its instances stand."""
    how = asked.spread if asked else "none"
    apart = {
        "enablePodAntiAffinity": True,
        "topologyKey": HOST,
        # Required: a second instance on the host of the first keeps nothing when that host goes.
        "podAntiAffinityType": "preferred" if how == "none" else "required",
        **on(pool),
    }
    # The pods of a pool name the cluster as well; those that make or join an instance have no role and must count.
    own = {
        "labelSelector": {
            "matchLabels": {"cnpg.io/cluster": cluster},
            "matchExpressions": [{"key": "cnpg.io/podRole", "operator": "NotIn", "values": ["pooler"]}],
        }
    }
    over_zones = {"topologySpreadConstraints": [_over(ZONE, own, must=True)]} if how == "zone" else {}
    return {"affinity": apart, **over_zones}


def _over(key: str, own: Document, *, must: bool) -> Document:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule" if must else "ScheduleAnyway",
        # A host or zone that is drained or gone is no place that must be filled first.
        "nodeTaintsPolicy": "Honor",
        **own,
    }
