"""Says that what is rolled out came up, as controllers would on a cluster: a private API server has none.

It reads and writes through the real API: deployments and stateful sets have their pods, jobs end well, routes are
taken, and what is deleted goes. Nothing runs.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from lab.api_server import ApiServer

Document = dict[str, Any]
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}
_PAUSE_SECONDS: Final = 0.3
_NOW: Final = "2026-01-01T00:00:00Z"
_KINDS: Final = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
}


@contextlib.contextmanager
def rolled_out(api: ApiServer, namespace: str) -> Iterator[None]:
    """Do it in one namespace for as long as the block; a fault of ours fails the block at its end."""
    ended, faults = threading.Event(), list[str]()

    def work() -> None:
        while not ended.is_set():
            for kind, path in _KINDS.items():
                # As controllers do: what was not answered, or put off, is asked again.
                with contextlib.suppress(httpx.TransportError):
                    _bring_up(api.client, kind, path.format(namespace))
            time.sleep(_PAUSE_SECONDS)

    def _bring_up(client: httpx.Client, kind: str, path: str) -> None:
        for each in client.get(path).json().get("items", ()):
            where = f"{path}/{each['metadata']['name']}"
            if each["metadata"].get("deletionTimestamp"):
                client.patch(where, json={"metadata": {"finalizers": None}}, headers=_MERGE)
            elif (status := _status(kind, each)) and each.get("status") != {**each.get("status", {}), **status}:
                answer = client.patch(f"{where}/status", json={"status": status}, headers=_MERGE)
                if answer.status_code not in (200, 404, 409, 429) and answer.status_code < 500:
                    faults.append(answer.text)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join(120)
    assert faults == []


def _status(kind: str, document: Document) -> Document | None:
    spec, seen = document.get("spec", {}), {"observedGeneration": document["metadata"].get("generation", 0)}
    pods = spec.get("replicas", 1)
    match kind:
        case "Deployment":
            return {
                **seen,
                **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), pods),
            }
        case "StatefulSet":
            numbers = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "currentReplicas")
            return {**seen, **dict.fromkeys(numbers, pods), "currentRevision": "1", "updateRevision": "1"}
        case "Job":
            done = [{"type": each, "status": "True"} for each in ("SuccessCriteriaMet", "Complete")]
            return {"succeeded": 1, "startTime": _NOW, "completionTime": _NOW, "conditions": done}
        case "HTTPRoute":
            yes = {"status": "True", "reason": "Yes", "message": "", "lastTransitionTime": _NOW}
            taken = [{**yes, **seen, "type": each} for each in ("Accepted", "ResolvedRefs")]
            parents = [
                {"parentRef": each, "controllerName": "example.vn/none", "conditions": taken}
                for each in spec["parentRefs"]
            ]
            return {"parents": parents}
        case _:
            return None
