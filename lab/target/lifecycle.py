"""The target data centre as a whole: up, down, status. `up` ends only when the cluster is proved usable.

It never keeps the cluster's state: a lab starts from nothing each time, so that no run inherits another one's.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from lab import ca, network
from lab.addresses import NODE_ADDRESS
from lab.errors import LabError
from lab.images import ALL, INFRASTRUCTURE, Image, build_images, import_images
from lab.rootfs import remove_tree
from lab.target import documents, kernel, layout, node, object_store, pki, policy, processes, receivers, rules, upstream
from lab.target.api import Api
from lab.target.control_plane import start_control_plane
from lab.target.processes import wait_until

Progress = Callable[[str], None]
_DEPLOYMENTS: Final = {
    "dns": "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    "gateway": f"/apis/apps/v1/namespaces/{layout.EDGE_NAMESPACE}/deployments/traefik",
    "certificates": f"/apis/apps/v1/namespaces/{layout.CERTIFICATES_NAMESPACE}/deployments/cert-manager",
    "postgres operator": "/apis/apps/v1/namespaces/cnpg-system/deployments/cnpg-controller-manager",
}
_PROGRAMS: Final = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet", "kube-proxy",
    "kube-router", "seaweedfs",
)  # fmt: skip
_ISSUER_PATH: Final = f"/apis/cert-manager.io/v1/namespaces/{layout.EDGE_NAMESPACE}/issuers/{layout.ISSUER}"
_NODE_PATH: Final = f"/api/v1/nodes/{layout.NODE}"


@dataclass(frozen=True, slots=True)
class Status:
    """What runs: each part and whether it is well."""

    parts: dict[str, bool]

    @property
    def ready(self) -> bool:
        return all(self.parts.values())

    @property
    def absent(self) -> bool:
        return not any(self.parts.values())


def up(progress: Progress, images: Sequence[str] = ALL) -> None:
    """Bring the target up from nothing, with these images (short names); one that is well only gets images it lacks.

    Raises `LabError` with the part that failed; what started by then keeps running until `down`.
    """
    built = build_images([*INFRASTRUCTURE, *(name for name in images if name not in INFRASTRUCTURE)], progress)
    with _alone():
        if status().ready:
            progress("the target already runs")
            _import(list(built.values()))
            return
        _down(progress=lambda line: None)
        _up(progress, built)


def prepare(progress: Progress) -> None:
    """Build all images and bring them into the runtime's store, so that the first `up` is as fast as any other."""
    built = build_images(ALL, progress)
    upstream.fetch()
    with _alone():
        if processes.alive("containerd"):
            _import(list(built.values()))
            return
        _down(progress=lambda line: None)
        progress("images into the node's store")
        _start_runtime(list(built.values()))
        _down(progress=lambda line: None)


def down(progress: Progress = lambda line: None) -> None:
    """Take the target down, whatever state it is in; raise `LabError` if something of it is left."""
    with _alone():
        _down(progress)


def _up(progress: Progress, built: dict[str, Image]) -> None:
    progress("network, certificates")
    rules.remember()
    network.up_node()
    rules.guard()
    for number in range(1, layout.VOLUME_COUNT + 1):
        (layout.VOLUMES / documents.volume_name(number)).mkdir(parents=True, exist_ok=True)
    layout.CONFIG.mkdir(parents=True, exist_ok=True)
    pki.write()
    ca.SITES.ensure()
    receivers.certificates()
    with ThreadPoolExecutor(max_workers=4) as pool:
        store = pool.submit(object_store.start_object_store)
        runtime = pool.submit(_start_runtime, [built[name] for name in INFRASTRUCTURE])
        progress("control plane")
        api = start_control_plane()
        try:
            runtime.result()
            progress("node")
            node.start_kubelet()
            node.start_proxy()
            applied = pool.submit(_apply, api)
            rest = pool.submit(_import, [image for name, image in built.items() if name not in INFRASTRUCTURE])
            wait_until("the node's readiness", lambda: api.condition(_NODE_PATH, "Ready"), 300, 0.2)
            policy.start_router()
            applied.result()
            progress("network policy: proof of a denied packet")
            policy.prove_enforcement(api)
            for name, path in _DEPLOYMENTS.items():
                progress(f"{name}")
                wait_until(f"{name}: available", partial(api.condition, path, "Available"), 300, 0.2)
            progress("admission of the operator, ports of the gateway, the issuer of certificates")
            wait_until("an answer of the operator's admission", partial(_admits, api), 300, 0.3)
            wait_until("an answer on the gateway's ports", _gateway_answers, 300, 0.3)
            wait_until("the issuer's readiness", lambda: api.condition(_ISSUER_PATH, "Ready"), 300, 0.3)
            store.result()
            rest.result()
        finally:
            api.close()


def _down(progress: Progress) -> None:
    if processes.alive("kube-apiserver"):
        progress("pods")
        _delete_pods()
    progress("programs")
    for name in ("kube-controller-manager", "kube-scheduler", "kube-router", "kube-proxy", "kubelet", "containerd"):
        processes.stop(name)
    kernel.end_containers()
    # etcd last and really gone: the next one must not meet it on its port.
    for name in ("kube-apiserver", "seaweedfs", "etcd", *processes.names()):
        processes.stop(name)
    progress("mounts, interfaces, rules")
    kernel.unmount()
    kernel.remove_interfaces()
    rules.remove_rules()
    kernel.remove_cgroups()
    kernel.remove_foreign_folders()
    object_store.remove_sockets()
    network.down_node()
    for folder in (layout.HOME, layout.CONTAINERD_STATE, layout.KUBELET_ROOT, layout.PROCESSES):
        remove_tree(folder)
    for socket in layout.CONTAINERD_SOCKET.parent.glob(f"{layout.CONTAINERD_SOCKET.name}*"):
        socket.unlink()
    left = [*kernel.leftovers(), *rules.leftovers()]
    if left:
        raise LabError(
            "target-left-behind",
            what="the target was stopped, but not everything of it is gone",
            why="; ".join(left[:10]),
            state="its programs have ended",
            next="python -m lab.target down   again; what it still names then needs a person",
        )


def status() -> Status:
    """Return what runs and is well; asks the cluster only if its API server runs."""
    parts = {name: processes.alive(name) for name in _PROGRAMS}
    cluster = dict.fromkeys(("node", *_DEPLOYMENTS), False)
    if parts["kube-apiserver"]:
        try:
            api = Api()
            cluster["node"] = api.condition(_NODE_PATH, "Ready")
            for name, path in _DEPLOYMENTS.items():
                cluster[name] = api.condition(path, "Available")
            api.close()
        except (LabError, OSError):
            pass  # it does not answer, or it is another checkout's: what is not known to be well stays False
    return Status({**parts, **cluster})


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lab's target for one process; the lock is this very file, so that a kill leaves no lock behind."""
    with Path(__file__).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise LabError(
                "target-busy",
                what="the target is being brought up or taken down by another process",
                why="only one may do that at a time",
                state="this command changed nothing",
                next="wait for the other one, then run the same command again",
            ) from busy
        yield


def _start_runtime(images: Sequence[Image]) -> None:
    node.start_containerd()
    _import(images)


def _import(images: Sequence[Image]) -> None:
    import_images(images, layout.CONTAINERD_SOCKET)


def _apply(api: Api) -> None:
    """Put the lab's own objects into the cluster; the CRDs first, and what they define once they are established."""
    crds = documents.edge_kinds()
    api.apply_all([*documents.load("router"), *documents.storage(), *documents.load("dns"), *crds])
    for crd in crds:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        wait_until(f"{crd['metadata']['name']}: established", partial(api.condition, path, "Established"), 120)
    api.apply_all([*documents.load("edge"), *documents.certificates(ca.SITES), *documents.operator()])


def _admits(api: Api) -> bool:
    """Return whether the operator's webhook answers; a Service can still refuse in the second after readiness."""
    try:
        api.apply(documents.sample_cluster(), dry_run=True)
    except LabError:
        return False
    return True


def _gateway_answers() -> bool:
    """Return whether the gateway answers on the node's address; 404 is right as long as nobody declared a route."""
    try:
        return httpx.get(f"http://{NODE_ADDRESS}/", timeout=2.0, trust_env=False).status_code == 404
    except httpx.HTTPError:
        return False


def _delete_pods() -> None:
    """Delete all pods through the API, so that their wires and mounts go in order.

    A cluster that does not manage is left to the steps after this one.
    """
    for name in ("kube-controller-manager", "kube-scheduler"):
        processes.stop(name)  # else they would make and place new ones
    end = time.monotonic() + 25
    try:
        api = Api()
        while pods := api.items("/api/v1/pods"):
            if time.monotonic() > end:
                return
            for pod in pods:
                metadata = pod["metadata"]
                placed = "nodeName" in pod["spec"]
                if "deletionTimestamp" not in metadata or not placed:
                    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
                    api.delete(path, grace_seconds=1 if placed else 0)
            time.sleep(0.3)
        api.close()
    except (LabError, OSError):
        return  # it does not answer, or it is another checkout's
