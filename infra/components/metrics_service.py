"""A name in DNS for pods that are measured: whoever measures them needs no right to list pods."""

from __future__ import annotations

from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from infra.answers import Answer

ANSWERS: Final = (
    Answer(
        {"kube-score": ("service-targets-pod",)},
        (
            "Service httt-*-data/*-db-metrics",
            "Service httt-*-data/*-db-pooler-metrics",
            "Service cnpg-system/postgres-operator-metrics",
            "Service dcshift-edge/gateway-metrics",
            "Service cert-manager/certificate-metrics",
        ),
        "They give names to what operators make or others install: the judge sees none of those pods. A test in "
        "the lab finds each.",
    ),
)
# Other parts of the centre make these pods, perhaps much later: nobody waits for the first here.
_UNAWAITED: Final = {"pulumi.com/skipAwait": "true"}


def metrics_service(
    logical: str, metadata: dict[str, Any], selector: dict[str, str], port: int, opts: pulumi.ResourceOptions
) -> k8s.core.v1.Service:
    """Declare the name; it has no address of its own and leads to every pod, most of all to one that is not well."""
    return k8s.core.v1.Service(
        logical,
        metadata={**metadata, "annotations": _UNAWAITED},
        spec={
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [{"name": "metrics", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
        opts=opts,
    )
