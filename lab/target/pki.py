"""The cluster's own certificates and kubeconfigs; keys stay in the lab's state folder and are readable by root only."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import ca
from lab.addresses import NODE_ADDRESS
from lab.target.layout import API_SERVER, CLUSTER, CLUSTER_ADDRESS, CLUSTER_DOMAIN, KUBECONFIG, NODE, PKI


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate speaks for: common name and organisation are Kubernetes' user and group."""

    name: str
    user: str
    group: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


_SERVICE_NAMES: Final = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
IDENTITIES: Final = (
    Identity(
        "apiserver",
        "kube-apiserver",
        dns_names=(*_SERVICE_NAMES, f"kubernetes.default.svc.{CLUSTER_DOMAIN}", "localhost"),
        addresses=(NODE_ADDRESS, CLUSTER_ADDRESS, "127.0.0.1"),
    ),
    Identity("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
    Identity("kubelet-server", NODE, dns_names=(NODE,), addresses=(NODE_ADDRESS,)),
    Identity("kubelet", f"system:node:{NODE}", "system:nodes"),
    Identity("controller-manager", "system:kube-controller-manager"),
    Identity("scheduler", "system:kube-scheduler"),
    Identity("proxy", "system:kube-proxy"),
    Identity("router", "dcshift:kube-router"),
    Identity("admin", "dcshift-admin", "system:masters"),
)
_KUBECONFIGS: Final = ("kubelet", "controller-manager", "scheduler", "proxy", "router")


def write() -> None:
    """Make a new CA, a certificate for each identity, the key of service accounts, and the kubeconfigs."""
    authority = ca.Authority(PKI, "dcshift lab cluster CA")
    for left in PKI.glob("ca.*"):
        left.unlink()
    authority.ensure()
    account_key = ec.generate_private_key(ec.SECP256R1())
    ca.write_private(PKI / "service-account.key", ca.pem(account_key))
    public = account_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    ca.write_private(PKI / "service-account.pub", public)
    for identity in IDENTITIES:
        certificate, key = authority.issue(
            identity.user, identity.dns_names, identity.addresses, organisation=identity.group
        )
        ca.write_private(PKI / f"{identity.name}.key", key.encode())
        ca.write_private(PKI / f"{identity.name}.pem", certificate.encode())
    for name in _KUBECONFIGS:
        ca.write_private(PKI / f"{name}.kubeconfig", kubeconfig(name).encode())
    ca.write_private(KUBECONFIG, kubeconfig("admin").encode())


def kubeconfig(name: str) -> str:
    """Return a kubeconfig that holds its certificates itself, so that it can be copied (JSON, which is YAML)."""
    cluster = {"server": API_SERVER, "certificate-authority-data": _encoded(PKI / "ca.pem")}
    user = {
        "client-certificate-data": _encoded(PKI / f"{name}.pem"),
        "client-key-data": _encoded(PKI / f"{name}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": name}}],
        "current-context": CLUSTER,
    }
    return json.dumps(document, indent=1) + "\n"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
