"""The pods of Prometheus and Alertmanager: what they are started with and what they may use; pure."""

from __future__ import annotations

from typing import Any, Final

from infra import naming, sizes, unprivileged
from infra.answers import Answer
from infra.config import Settings
from infra.monitoring.targets import ALERTMANAGER_PORT, PROMETHEUS_PORT
from infra.sizes import Size

Document = dict[str, Any]
_KEEP: Final = "30d"
"""As long as a month's budget of errors is counted."""
_DATA: Final = "data"
_PODS: Final = ("Deployment dcshift-monitoring/alertmanager", "StatefulSet dcshift-monitoring/prometheus")
ANSWERS: Final = (
    Answer(
        {"kube-score": ("container-image-pull-policy",)},
        _PODS,
        "The image is named by its digest. What tells people that the registry is away must not wait for the registry.",
    ),
    Answer(
        {"kube-score": ("container-ephemeral-storage-request-and-limit",)},
        _PODS,
        "The limit is the namespace's LimitRange's; Alertmanager's notes have a size of their own below it, and "
        "measurements lie on a volume. Nothing is requested: nodes that do not count their disk would take no pod "
        "(decision 0036).",
    ),
)


def prometheus(settings: Settings) -> Document:
    """Return the spec of Prometheus' pod; its volume is the claim `data`."""
    # By size before the volume is full: one that is full stops measuring. Its own log of writes comes on top.
    gibibytes = sizes.PROMETHEUS_VOLUME * 8 // 10 // 1024
    words = [
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/data",
        f"--storage.tsdb.retention.time={_KEEP}",
        f"--storage.tsdb.retention.size={gibibytes}GB",
        f"--web.listen-address=:{PROMETHEUS_PORT}",
    ]
    image = settings.pinned(naming.PROMETHEUS, settings.prometheus_image)
    container = _container(naming.PROMETHEUS, image, words, PROMETHEUS_PORT, sizes.PROMETHEUS)
    return _pod(naming.PROMETHEUS, container, grace_seconds=30)


def alertmanager(settings: Settings) -> Document:
    """Return the spec of Alertmanager's pod; silences and what was sent are forgotten with it."""
    words = [
        "--config.file=/etc/alertmanager/alertmanager.yml",
        "--storage.path=/data",
        f"--web.listen-address=:{ALERTMANAGER_PORT}",
        # It is alone: without this it would look for others of its kind.
        "--cluster.listen-address=",
    ]
    image = settings.pinned(naming.ALERTMANAGER, settings.alertmanager_image)
    container = _container(naming.ALERTMANAGER, image, words, ALERTMANAGER_PORT, sizes.ALERTMANAGER)
    found = _pod(naming.ALERTMANAGER, container, grace_seconds=10)
    return {**found, "volumes": [*found["volumes"], {"name": _DATA, "emptyDir": {"sizeLimit": "64Mi"}}]}


def _container(name: str, image: str, words: list[str], port: int, size: Size) -> Document:
    def probe(path: str, every_seconds: int, failures: int) -> Document:
        asked = {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5}
        return {**asked, "periodSeconds": every_seconds, "failureThreshold": failures}

    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": words,
        # Go gives memory back before the limit instead of being killed at it.
        "env": [{"name": "GOMEMLIMIT", "value": f"{size.memory_limit * 9 // 10}MiB"}],
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "resources": size.resources(),
        # A log of writes of a busy centre is read for minutes before it is ready.
        "startupProbe": probe("/-/ready", 2, 300),
        "readinessProbe": probe("/-/ready", 5, 3),
        "livenessProbe": probe("/-/healthy", 20, 6),
        "securityContext": unprivileged.security_context(),
        "volumeMounts": [
            {"name": "config", "mountPath": f"/etc/{name}", "readOnly": True},
            {"name": _DATA, "mountPath": "/data"},
        ],
    }


def _pod(name: str, container: Document, grace_seconds: int) -> Document:
    volumes = [{"name": "config", "configMap": {"name": name}}]
    return unprivileged.pod(name, [container], terminationGracePeriodSeconds=grace_seconds, volumes=volumes)
