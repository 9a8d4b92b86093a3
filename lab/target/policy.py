"""The network-policy enforcer (kube-router), and the proof that it enforces; without the proof the target is not ready.

It exits while its Node object does not exist, and then policies fail open: so it starts after the node is ready, is
supervised, and one denied packet is shown before anybody may use the cluster.
"""

from __future__ import annotations

from typing import Final

from lab.addresses import SERVICE_NETWORK
from lab.errors import LabError
from lab.target.api import Api, path_of
from lab.target.documents import load
from lab.target.layout import NODE, PKI
from lab.target.processes import Daemon, log_tail, start, wait_until
from lab.toolchain import tool_path

PROOF_NAMESPACE: Final = "dcshift-proof"
_ANSWER: Final = "answered"


def start_router() -> None:
    """Start the enforcer, for policies only: routes and services are the work of others."""
    argv = (
        str(tool_path("kube-router")),
        "--run-router=false",
        "--run-firewall=true",
        "--run-service-proxy=false",
        f"--hostname-override={NODE}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--kubeconfig={PKI / 'router.kubeconfig'}",
        "--health-port=0",
    )
    start(Daemon("kube-router", argv, supervised=True))


def prove_enforcement(api: Api) -> None:
    """Show that a pod reaches another one, and no longer does once a policy denies it; raises `LabError` otherwise."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROOF_NAMESPACE}}
    api.apply(namespace)
    pods = f"/api/v1/namespaces/{PROOF_NAMESPACE}/pods"
    wait_until("the default account of a namespace", lambda: _has_account(api), 120)
    server, *_ = load("proof", namespace=PROOF_NAMESPACE, server="0.0.0.0")  # noqa: S104  a place holder, not an address
    api.apply(server)
    wait_until("the address of the proof's server", lambda: bool(_address(api, f"{pods}/server")), 300)
    _, client, deny = load("proof", namespace=PROOF_NAMESPACE, server=_address(api, f"{pods}/server"))
    api.apply(client)
    try:
        wait_until("an answer between two pods without a policy", lambda: _ANSWER in _said(api, pods), 300)
        api.apply(deny)
        _wait_for_refusals(api, pods)
        # Answers again without it: the silence was the policy's doing, not a dead server's.
        api.delete(path_of(deny))
        wait_until("an answer after the policy was taken away", lambda: _ANSWER in _said(api, pods), 120)
    finally:
        api.delete(f"/api/v1/namespaces/{PROOF_NAMESPACE}")


def _wait_for_refusals(api: Api, pods: str) -> None:
    def refused() -> bool:
        lines = _said(api, pods).splitlines()
        return lines[-3:] == ["refused"] * 3

    try:
        wait_until("three refused requests after the policy", refused, 120)
    except LabError as late:
        raise LabError(
            "policy-not-enforced",
            what="a network policy that denies everything denied nothing",
            why=f"the enforcer said last: {log_tail('kube-router')}",
            state="the cluster runs, but every policy in it fails open; it is not declared ready",
            next="python -m lab.target down, then up again",
        ) from late


def _said(api: Api, pods: str) -> str:
    return api.text(f"{pods}/client/log?tailLines=5")


def _address(api: Api, path: str) -> str:
    pod = api.get(path) or {}
    return str(pod.get("status", {}).get("podIP", ""))


def _has_account(api: Api) -> bool:
    return api.get(f"/api/v1/namespaces/{PROOF_NAMESPACE}/serviceaccounts/default") is not None
