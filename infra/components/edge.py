"""The doors from outside: a Gateway with TLS for each zone in use; which host goes where is said elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue.province import Certificates
from catalogue.system import Exposure
from infra import labels, naming
from infra.components.edge_certificate import EdgeCertificate, EdgeCertificateArgs

_OWN: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
_API: Final = "gateway.networking.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class EdgeArgs:
    """Where the doors stand and which domain they serve.

    The namespace exists already; without `certificates` its Secret `edge-tls` too, kept by the site's own tool.
    """

    namespace: str
    """Where they stand; with the Secret `edge-tls` in it."""
    classes: Mapping[Exposure, str]
    """For each exposure in use the class that its gateway controller answers to."""
    domain: str
    """The province's own; the Gateways answer to the names below it, and to no other."""
    certificates: Certificates | None = None
    """Who signs the certificate, where it is made in the cluster."""


class Edge(pulumi.ComponentResource):
    """Gateways that take routes from `app` namespaces of their own zone only, and send plain HTTP to TLS."""

    names: dict[Exposure, str]

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:Edge", name, None, opts)
        # No name is served without a certificate: a Gateway that lacks its Secret answers with one of its own making.
        needs: list[pulumi.Resource] = []
        if args.certificates:
            wanted = EdgeCertificateArgs(args.namespace, args.domain, args.certificates)
            needs.append(EdgeCertificate("edge-certificate", wanted, pulumi.ResourceOptions(parent=self)))
        self.names = {exposure: naming.edge(exposure) for exposure in sorted(args.classes)}
        gateways = [
            k8s.apiextensions.CustomResource(
                naming.logical("platform", "gateway", gateway),
                api_version=_API,
                kind="Gateway",
                metadata={
                    "name": gateway,
                    "namespace": args.namespace,
                    "labels": _OWN,
                    "annotations": {"pulumi.com/waitFor": "condition=Programmed", "pulumi.com/timeoutSeconds": "300"},
                },
                spec={
                    "gatewayClassName": args.classes[exposure],
                    "listeners": _listeners(args.domain, exposure),
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=needs),
            )
            for exposure, gateway in self.names.items()
        ]
        k8s.apiextensions.CustomResource(
            naming.logical("platform", "route", "to-tls"),
            api_version=_API,
            kind="HTTPRoute",
            metadata={"name": "to-tls", "namespace": args.namespace, "labels": _OWN},
            spec={
                "parentRefs": [{"name": gateway, "sectionName": "http"} for gateway in self.names.values()],
                "rules": [
                    {
                        "filters": [
                            {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
                        ]
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=gateways),
        )
        self.register_outputs({"names": self.names})


def _listeners(domain: str, exposure: Exposure) -> list[dict[str, Any]]:
    of_the_zone = {"matchLabels": {labels.TIER: "app", labels.EXPOSURE: exposure}}
    return [
        {
            "name": "https",
            "port": 443,
            "protocol": "HTTPS",
            "hostname": f"*.{domain}",
            "tls": {"mode": "Terminate", "certificateRefs": [{"name": naming.EDGE_SECRET}]},
            "allowedRoutes": {"namespaces": {"from": "Selector", "selector": of_the_zone}},
        },
        {
            "name": "http",
            "port": 80,
            "protocol": "HTTP",
            "hostname": f"*.{domain}",
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        },
    ]
