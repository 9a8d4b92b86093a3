"""The cluster's control plane: etcd, API server, controller manager, scheduler; it keeps nothing over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx

from lab.addresses import API_SERVER_PORT, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK
from lab.paths import CHECKOUT
from lab.target.api import Api
from lab.target.layout import AUDIT, CLUSTER, CLUSTER_DOMAIN, ETCD_PEER_PORT, ETCD_PORT, HOME, PKI
from lab.target.processes import Daemon, start, wait_until
from lab.toolchain import tool_path

_ETCD: Final = f"http://127.0.0.1:{ETCD_PORT}"
_PEER: Final = f"http://127.0.0.1:{ETCD_PEER_PORT}"


def start_control_plane() -> Api:
    """Start all four programs; return a client of the API server once it is ready."""
    start(etcd())
    wait_until("etcd's readiness", _etcd_ready, 120)
    AUDIT.mkdir(parents=True, exist_ok=True)
    start(api_server())
    api = Api()
    wait_until("the API server's readiness", api.ready, 300, pause_seconds=0.2)
    start(controller_manager())
    start(scheduler())
    return api


def etcd() -> Daemon:
    """Return etcd on the loopback; without fsync, because the lab's state is never kept over a crash."""
    argv = (
        str(tool_path("etcd")),
        "--name=target",
        f"--data-dir={HOME / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_PEER}",
        f"--initial-advertise-peer-urls={_PEER}",
        f"--initial-cluster=target={_PEER}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    return Daemon("etcd", argv)


def api_server() -> Daemon:
    """Return the API server with RBAC, the Node authorizer and the default admission, PodSecurity among it."""
    argv = (
        str(tool_path("kube-apiserver")),
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_SERVER_PORT}",
        f"--etcd-servers={_ETCD}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--client-ca-file={PKI / 'ca.pem'}",
        f"--tls-cert-file={PKI / 'apiserver.pem'}",
        f"--tls-private-key-file={PKI / 'apiserver.key'}",
        f"--kubelet-certificate-authority={PKI / 'ca.pem'}",
        f"--kubelet-client-certificate={PKI / 'apiserver-kubelet.pem'}",
        f"--kubelet-client-key={PKI / 'apiserver-kubelet.key'}",
        # Anything else would ask DNS for the node's name at every exec and every log.
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--service-account-key-file={PKI / 'service-account.pub'}",
        f"--service-account-signing-key-file={PKI / 'service-account.key'}",
        *audit_log(AUDIT),
        "--profiling=false",
    )
    return Daemon("kube-apiserver", argv)


def audit_log(folder: Path) -> tuple[str, ...]:
    """Return what makes the API server write its audit log: 250 MiB at most, no line longer than the agents take."""
    return (
        f"--audit-policy-file={CHECKOUT / 'infra' / 'audit-policy.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-maxsize=50",  # MiB
        "--audit-log-maxbackup=4",
        "--audit-log-maxage=7",  # days
        "--audit-log-truncate-enabled",
        "--audit-log-truncate-max-event-size=102400",
    )


def controller_manager() -> Daemon:
    """Return the controller manager; it gives the node its range of pod addresses and signs requests."""
    argv = (
        str(tool_path("kube-controller-manager")),
        *_client("controller-manager"),
        f"--cluster-name={CLUSTER}",
        "--allocate-node-cidrs",
        f"--cluster-cidr={POD_NETWORK}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={PKI / 'service-account.key'}",
        f"--root-ca-file={PKI / 'ca.pem'}",
        f"--cluster-signing-cert-file={PKI / 'ca.pem'}",
        f"--cluster-signing-key-file={PKI / 'ca.key'}",
        "--profiling=false",
    )
    return Daemon("kube-controller-manager", argv)


def scheduler() -> Daemon:
    """Return the scheduler."""
    return Daemon("kube-scheduler", (str(tool_path("kube-scheduler")), *_client("scheduler"), "--profiling=false"))


def _client(name: str) -> tuple[str, ...]:
    path = PKI / f"{name}.kubeconfig"
    files = tuple(f"--{purpose}kubeconfig={path}" for purpose in ("", "authentication-", "authorization-"))
    return (*files, "--authentication-skip-lookup", "--bind-address=127.0.0.1", "--leader-elect=false")


def _etcd_ready() -> bool:
    try:
        return httpx.get(f"{_ETCD}/readyz", timeout=1.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
