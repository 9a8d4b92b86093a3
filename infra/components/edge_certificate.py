"""The edge's certificate, made and renewed in the cluster by cert-manager; who signs it, the province says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue.province import Certificates
from catalogue.system import seconds
from infra import naming
from infra.rights.kinds import CERTIFICATE

_OWN: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}


@dataclass(frozen=True, slots=True)
class EdgeCertificateArgs:
    """Whose door it is for, and who signs."""

    namespace: str
    """Where the door stands; the Secret `edge-tls` is made there."""
    domain: str
    """The province's own; the certificate is for every name right below it."""
    certificates: Certificates
    """The province's: the issuer, how long it lives, when it is renewed."""


class EdgeCertificate(pulumi.ComponentResource):
    """One Certificate for all public names, there only once it was issued; its key is new at each renewal."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: EdgeCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:EdgeCertificate", name, None, opts)
        given = args.certificates
        certificate = k8s.apiextensions.CustomResource(
            naming.logical("platform", "certificate", naming.EDGE_CERTIFICATE),
            api_version=CERTIFICATE.api_version,
            kind=CERTIFICATE.name,
            metadata={
                "name": naming.EDGE_CERTIFICATE,
                "namespace": args.namespace,
                "labels": _OWN,
                "annotations": {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "120"},
            },
            spec={
                # The Secret stays when the Certificate goes: the door must not close with its declaration.
                "secretName": naming.EDGE_SECRET,
                "dnsNames": [f"*.{args.domain}"],
                # In seconds: cert-manager knows no days.
                "duration": f"{seconds(given.duration)}s",
                "renewBefore": f"{seconds(given.renew_before)}s",
                "usages": ["digital signature", "server auth"],
                "privateKey": {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": "Always"},
                "issuerRef": {"group": CERTIFICATE.group, "kind": given.issuer.kind, "name": given.issuer.name},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = certificate.metadata["name"]
        self.register_outputs({"name": self.name})
