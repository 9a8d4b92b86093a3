"""The cluster's own certificates and kubeconfigs; keys stay in the lab's state folder and are readable by root only."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.addresses import NODE_ADDRESS
from lab.target.layout import API_SERVER, CLUSTER, CLUSTER_ADDRESS, CLUSTER_DOMAIN, KUBECONFIG, NODE, PKI

_VALID: Final = datetime.timedelta(days=30)


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
    PKI.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dcshift lab cluster CA")])
    authority = (
        _builder(subject, subject, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    _write(PKI / "ca.key", _pem(authority_key))
    _write(PKI / "ca.pem", authority.public_bytes(serialization.Encoding.PEM))
    account_key = ec.generate_private_key(ec.SECP256R1())
    _write(PKI / "service-account.key", _pem(account_key))
    public = account_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write(PKI / "service-account.pub", public)
    for identity in IDENTITIES:
        key = ec.generate_private_key(ec.SECP256R1())
        _write(PKI / f"{identity.name}.key", _pem(key))
        _write(PKI / f"{identity.name}.pem", _issue(identity, key.public_key(), authority, authority_key))
    for name in _KUBECONFIGS:
        _write(PKI / f"{name}.kubeconfig", kubeconfig(name).encode())
    _write(KUBECONFIG, kubeconfig("admin").encode())


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


def _issue(
    identity: Identity, public: ec.EllipticCurvePublicKey, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> bytes:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, identity.user)]
    if identity.group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.group))
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in identity.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in identity.addresses]
    if names:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = (
        _builder(x509.Name(attributes), authority.subject, public)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)
