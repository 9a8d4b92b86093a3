"""A real etcd and API server alone, on free ports of the loopback, in a folder of their own; nothing runs in them.

No node, no controller, no operator: what is written is judged and kept, and nothing ever becomes ready by itself.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.ca import Authority, pem, write_private
from lab.errors import LabError
from lab.loopback import HOST, free_ports, running
from lab.paths import cache
from lab.toolchain import tool_path

Document = dict[str, Any]


@dataclass(frozen=True)
class ApiServer:
    """One API server as its administrator sees it."""

    client: httpx.Client
    kubeconfig: Path

    def create(self, resource: str, document: Document, *, dry_run: bool = False) -> httpx.Response:
        """Ask for an object to be made; the answer is the caller's to judge."""
        version, namespace = document["apiVersion"], document["metadata"].get("namespace")
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        inside = f"/namespaces/{namespace}" if namespace else ""
        return self.client.post(f"{root}{inside}/{resource}{'?dryRun=All' if dry_run else ''}", json=document)


@contextlib.contextmanager
def api_server(folder: Path, *flags: str) -> Iterator[ApiServer]:
    """Start both programs, wait until they answer, and end them by pid. Raises `LabError` when one is missing.

    `flags` are further ones of the API server.
    """
    authority, ports = Authority(folder / "pki", "API server of the loopback"), free_ports(3)
    files = _certificates(authority, folder / "pki")
    etcd = f"http://{HOST}:{ports[0]}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(_etcd(folder, etcd, f"http://{HOST}:{ports[1]}"), folder / "etcd.log"))
        stack.enter_context(running([*_api_server(files, etcd, ports[2]), *flags], folder / "api-server.log"))
        context = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
        context.load_cert_chain(files / "admin.pem", files / "admin.key")
        base = f"https://{HOST}:{ports[2]}"
        client = stack.enter_context(httpx.Client(base_url=base, verify=context, trust_env=False, timeout=120))
        _until_ready(client, folder)
        yield ApiServer(client, _kubeconfig(folder, base, files))


@contextlib.contextmanager
def server_with_kinds(folder: Path) -> Iterator[ApiServer]:
    """Start one, and make the definitions of all operators in it. Raises `LabError` when something is missing."""
    for name in ("etcd", "kube-apiserver"):
        tool_path(name)
    files = sorted((cache() / "manifests").glob("*/*.yaml"))
    if not files:
        raise LabError(
            "no-operators-manifests",
            what="the operators' kinds are not known here",
            why=f"{cache() / 'manifests'} has no manifests",
            state="nothing was started",
            next="make setup",
        )
    with api_server(folder) as api:
        made = []
        for file in files:
            for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
                if document and document["kind"] == "CustomResourceDefinition":
                    answer = api.create("customresourcedefinitions", document)
                    if answer.status_code != 201:
                        raise _unready(f"it refused {document['metadata']['name']}: {answer.text[:2000]}")
                    made.append(document["spec"])
        _until_served(api, made)
        yield api


def _until_served(api: ApiServer, made: list[Any], limit_seconds: float = 240) -> None:
    """Wait: a definition is taken at once and served a moment later, and its first lists may be answered 429."""
    end = time.monotonic() + limit_seconds
    for spec in made:
        for version in (each["name"] for each in spec["versions"] if each["served"]):
            path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
            while (status := api.client.get(path, params={"limit": 1}).status_code) != 200:
                if time.monotonic() > end:
                    raise _unready(f"{path} is not served after {limit_seconds:.0f} s, but answered {status}")
                time.sleep(0.2)


def _etcd(folder: Path, url: str, peer: str) -> list[str]:
    return [
        str(tool_path("etcd")),
        "--name=loopback",
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=loopback={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(files: Path, etcd: str, port: int) -> list[str]:
    return [
        str(tool_path("kube-apiserver")),
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        # Only its own endpoints' record would need a reachable address, and the loopback is refused as one.
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--etcd-servers={etcd}",
        "--authorization-mode=RBAC",
        # No controller makes the accounts that pods need; the rules are what is tried here.
        "--disable-admission-plugins=ServiceAccount",
        f"--client-ca-file={files / 'ca.pem'}",
        f"--tls-cert-file={files / 'server.pem'}",
        f"--tls-private-key-file={files / 'server.key'}",
        "--service-cluster-ip-range=198.19.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files / 'accounts.pub'}",
        f"--service-account-signing-key-file={files / 'accounts.key'}",
        "--profiling=false",
    ]


def _certificates(authority: Authority, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    authority.ensure()
    write_private(folder / "accounts.key", pem(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(folder / "accounts.pub", public)
    for name, issued in (
        ("server", authority.issue("kube-apiserver", ("localhost",), (HOST,))),
        ("admin", authority.issue("admin", organisation="system:masters")),
    ):
        for suffix, content in zip(("pem", "key"), issued, strict=True):
            write_private(folder / f"{name}.{suffix}", content.encode())
    return folder


def _kubeconfig(folder: Path, url: str, files: Path) -> Path:
    cluster = {"server": url, "certificate-authority": str(files / "ca.pem")}
    user = {"client-certificate": str(files / "admin.pem"), "client-key": str(files / "admin.key")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "loopback", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": "admin"}}],
        "current-context": "loopback",
    }
    (folder / "kubeconfig").write_text(json.dumps(document))
    return folder / "kubeconfig"


def _until_ready(client: httpx.Client, folder: Path, limit_seconds: float = 240) -> None:
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.2)
    raise _unready((folder / "api-server.log").read_text(encoding="utf-8", errors="replace")[-2000:])


def _unready(why: str) -> LabError:
    return LabError(
        "api-server-unready",
        what="an API server on the loopback did not come up",
        why=why.strip() or "it said nothing",
        state="it was stopped; nothing else was changed",
        next="look at the machine's load, then run the same command again",
    )
