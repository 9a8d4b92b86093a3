"""The one door from outside: a Gateway with TLS for the province's domain; which host goes where is said elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from catalogue.province import Certificates
from infra import labels, naming
from infra.components.edge_certificate import EdgeCertificate, EdgeCertificateArgs


@dataclass(frozen=True, slots=True)
class EdgeArgs:
    """Where the door stands and which domain it serves.

    The namespace exists already; without `certificates` its Secret `edge-tls` too, kept by the site's own tool.
    """

    namespace: str
    """Where it stands; with the Secret `edge-tls` in it."""
    gateway_class: str
    """The class that the cluster's gateway controller answers to."""
    domain: str
    """The province's own; the Gateway answers to the names below it, and to no other."""
    certificates: Certificates | None = None
    """Who signs the certificate, where it is made in the cluster."""


class Edge(pulumi.ComponentResource):
    """A Gateway that takes routes from `app` namespaces only, and sends plain HTTP to TLS."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:Edge", name, None, opts)
        own = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
        from_app_namespaces = {"from": "Selector", "selector": {"matchLabels": {labels.TIER: "app"}}}
        # No name is served without a certificate: a Gateway that lacks its Secret answers with one of its own making.
        needs: list[pulumi.Resource] = []
        if args.certificates:
            wanted = EdgeCertificateArgs(args.namespace, args.domain, args.certificates)
            needs.append(EdgeCertificate("edge-certificate", wanted, pulumi.ResourceOptions(parent=self)))
        gateway = k8s.apiextensions.CustomResource(
            naming.logical("platform", "gateway", naming.EDGE),
            api_version="gateway.networking.k8s.io/v1",
            kind="Gateway",
            metadata={
                "name": naming.EDGE,
                "namespace": args.namespace,
                "labels": own,
                "annotations": {"pulumi.com/waitFor": "condition=Programmed"},
            },
            spec={
                "gatewayClassName": args.gateway_class,
                "listeners": [
                    {
                        "name": "https",
                        "port": 443,
                        "protocol": "HTTPS",
                        "hostname": f"*.{args.domain}",
                        "tls": {"mode": "Terminate", "certificateRefs": [{"name": naming.EDGE_SECRET}]},
                        "allowedRoutes": {"namespaces": from_app_namespaces},
                    },
                    {
                        "name": "http",
                        "port": 80,
                        "protocol": "HTTP",
                        "hostname": f"*.{args.domain}",
                        "allowedRoutes": {"namespaces": {"from": "Same"}},
                    },
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=needs),
        )
        k8s.apiextensions.CustomResource(
            naming.logical("platform", "route", "to-tls"),
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            metadata={"name": "to-tls", "namespace": args.namespace, "labels": own},
            spec={
                "parentRefs": [{"name": naming.EDGE, "sectionName": "http"}],
                "rules": [
                    {
                        "filters": [
                            {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
                        ]
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        self.name = gateway.metadata["name"]
        self.register_outputs({"name": self.name})
