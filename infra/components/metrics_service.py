"""A name in DNS for pods that are measured: whoever measures them needs no right to list pods."""

from __future__ import annotations

from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

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
