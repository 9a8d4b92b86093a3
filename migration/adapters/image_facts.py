"""Asks an image of PostgreSQL what it has, by starting it once; a list of our own would be believed and would age."""

from __future__ import annotations

import re
import time
from typing import Any, Final

from migration.adapters.kubernetes import KubernetesCluster
from migration.errors import StepFailed
from migration.ports.seeding import ImageFacts

_REQUEST_SECONDS: Final = 10
_ANSWER_SECONDS_MAX: Final = 300.0
_END: Final = "dcshift-end"
_SCRIPT: Final = f"""set -e
postgres --version
getconf GNU_LIBC_VERSION
echo locales
locale -a
echo extensions
find / -xdev -path '*/extension/*.control' 2>/dev/null || true
echo {_END}
"""
_LABELS: Final = {"app.kubernetes.io/managed-by": "dcshift", "app.kubernetes.io/component": "image-asked"}


def asked_of(cluster: KubernetesCluster, namespace: str, name: str, image: str) -> ImageFacts:
    """Start the image as a pod that reaches nothing, read what it says, and remove it again."""
    _remove(cluster, namespace, name)
    try:
        _send(cluster, namespace, name, "create_namespaced_pod", namespace, _pod(name, image))
        return read(_answer(cluster, namespace, name), image)
    finally:
        _remove(cluster, namespace, name)


def read(text: str, image: str) -> ImageFacts:
    """Return what an image said; raises `StepFailed` where it did not say everything."""
    lines = text.splitlines()
    major = re.match(r"postgres \(PostgreSQL\) (\d+)", text)
    library = re.search(r"^glibc (\d+\.\d+)$", text, re.MULTILINE)
    if major is None or library is None or not {"locales", "extensions"} <= set(lines) or lines[-1] != _END:
        raise StepFailed(
            "image-silent",
            what=f"what {image} has is not known",
            why=f"it was started to say so, and said: {text.strip()[:400] or 'nothing'}",
            state="nothing was copied",
            next="use an image of PostgreSQL for CloudNativePG with sh, getconf, locale and find",
        )
    middle = lines.index("extensions")
    extensions = frozenset(
        found[1] for line in lines[middle + 1 :] if (found := re.search(r"/([^/]+?)(?:--[^/]*)?\.control$", line))
    )
    return ImageFacts(int(major[1]), library[1], frozenset(lines[lines.index("locales") + 1 : middle]), extensions)


def _pod(name: str, image: str) -> dict[str, Any]:
    confined = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    size = {"cpu": "100m", "memory": "64Mi"}
    asked = {
        "name": "asked",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _SCRIPT],
        "securityContext": confined,
        "resources": {"requests": size, "limits": {**size, "cpu": "1"}},
    }
    return {
        "metadata": {"name": name, "labels": dict(_LABELS)},
        "spec": {
            "containers": [asked],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": int(_ANSWER_SECONDS_MAX),
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        },
    }


def _answer(cluster: KubernetesCluster, namespace: str, name: str) -> str:
    deadline = time.monotonic() + _ANSWER_SECONDS_MAX
    while True:
        status = _send(cluster, namespace, name, "read_namespaced_pod", name, namespace).status
        if status.phase in ("Succeeded", "Failed"):
            return str(_send(cluster, namespace, name, "read_namespaced_pod_log", name, namespace))
        if time.monotonic() > deadline:
            waiting = [each.state.waiting for each in status.container_statuses or [] if each.state.waiting]
            why = "; ".join(f"{each.reason}: {each.message or ''}".rstrip(": ") for each in waiting)
            raise StepFailed(
                "image-silent",
                what=f"Pod {namespace}/{name} did not say what its image has",
                why=why or f"it is {status.phase} after {_ANSWER_SECONDS_MAX:.0f} s",
                state="nothing was copied",
                next=f"see whether the cluster can run it: kubectl -n {namespace} get events",
            )
        time.sleep(0.5)


def _remove(cluster: KubernetesCluster, namespace: str, name: str) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS_MAX
    while True:
        try:
            _send(cluster, namespace, name, "delete_namespaced_pod", name, namespace, grace_period_seconds=0)
        except StepFailed as refused:
            if refused.code == "target-object-missing":
                return
            raise
        if time.monotonic() > deadline:
            raise StepFailed(
                "image-pod-stays",
                what=f"Pod {namespace}/{name} does not go",
                why=f"it was deleted and is there {_ANSWER_SECONDS_MAX:.0f} s later",
                state="it holds no data; nothing else was changed",
                next=f"kubectl -n {namespace} delete pod {name}",
            )
        time.sleep(0.5)


def _send(cluster: KubernetesCluster, namespace: str, name: str, method: str, *words: Any, **more: Any) -> Any:
    from kubernetes import client

    def ask(api: Any) -> Any:
        return getattr(client.CoreV1Api(api), method)(*words, **more, _request_timeout=_REQUEST_SECONDS)

    return cluster.ask(ask, f"Pod {namespace}/{name}")
