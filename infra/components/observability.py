"""What measures the centre and calls people: Prometheus and Alertmanager; what they read is made elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s
import yaml

from infra import labels, naming, sizes
from infra.answers import Answer
from infra.components import network_policies
from infra.components.metrics_service import metrics_service
from infra.config import Settings
from infra.monitoring import alerts, dashboards, objectives, pods, receivers, targets

Document = dict[str, Any]
_OWN: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
_COMPONENT: Final = "app.kubernetes.io/component"
ANSWERS: Final = (
    Answer(
        {"kube-score": ("deployment-replicas",)},
        ("Deployment dcshift-monitoring/alertmanager",),
        "One: two that do not know each other would call people twice, and a cluster of them needs a network of "
        "its own. When it is away, Prometheus keeps its alerts and `AlertsNotDelivered` is seen there.",
    ),
    Answer(
        {"kube-score": ("deployment-strategy",)},
        ("Deployment dcshift-monitoring/alertmanager",),
        "As deployment-replicas: during a rolling update two would call people.",
    ),
)
_COUNTS: Final = {
    "pods": "4",
    "persistentvolumeclaims": "1",
    "requests.storage": sizes.memory(sizes.PROMETHEUS_VOLUME),
    "services.loadbalancers": "0",
    "services.nodeports": "0",
}


@dataclass(frozen=True, slots=True)
class ObservabilityArgs:
    """Which centre is measured."""

    settings: Settings
    """The platform stack's own: its catalogue says what is measured and promised, its keys who is called."""


class Observability(pulumi.ComponentResource):
    """Prometheus and Alertmanager without any right in the cluster, found by nobody but each other."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:Observability", name, None, opts)
        self._settings = args.settings
        namespace = k8s.core.v1.Namespace(
            _logical("namespace", "monitoring"),
            metadata={"name": naming.MONITORING, "labels": {**_OWN, **labels.restricted()}},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        bounds = self._bounds()
        self._names_of_targets()
        self._alertmanager(bounds)
        self._prometheus(bounds)
        self._dashboards()
        self.namespace = namespace.metadata["name"]
        self.register_outputs({"namespace": self.namespace})

    def _bounds(self) -> list[pulumi.Resource]:
        """Declare what holds for every pod; it must be there before the first."""
        made: list[pulumi.Resource] = [
            k8s.core.v1.ResourceQuota(
                _logical("quota", "monitoring"),
                metadata=_metadata("quota"),
                spec={"hard": {**sizes.monitoring().quota(), **_COUNTS}},
                opts=self._inside,
            ),
            k8s.core.v1.LimitRange(
                _logical("limits", "monitoring"),
                metadata=_metadata("limits"),
                spec={"limits": [sizes.container_limits(sizes.PROMETHEUS)]},
                opts=self._inside,
            ),
            k8s.core.v1.ServiceAccountPatch(
                _logical("default-account", "monitoring"),
                metadata={"name": "default", "namespace": naming.MONITORING},
                automount_service_account_token=False,
                opts=pulumi.ResourceOptions.merge(self._inside, pulumi.ResourceOptions(retain_on_delete=True)),
            ),
        ]
        for called, spec in network_policies.monitoring(self._settings).items():
            made.append(
                k8s.networking.v1.NetworkPolicy(
                    _logical("policy", f"monitoring-{called}"), metadata=_metadata(called), spec=spec, opts=self._inside
                )
            )
        return made

    def _names_of_targets(self) -> None:
        """Give names to what others run, so that it is found in DNS and not by a right to list pods."""
        self._service(
            naming.OPERATOR_METRICS,
            self._settings.operator_namespace,
            {"app.kubernetes.io/name": "cloudnative-pg"},
            targets.OPERATOR_PORT,
        )
        self._service(
            naming.GATEWAY_METRICS,
            self._settings.edge_namespace,
            {"app.kubernetes.io/name": "traefik"},
            targets.GATEWAY_PORT,
        )
        if self._settings.state_metrics_namespace:
            self._service(
                naming.STATE_METRICS,
                self._settings.state_metrics_namespace,
                {"app.kubernetes.io/name": "kube-state-metrics"},
                targets.STATE_PORT,
            )
        if certificates := self._settings.catalogue.province.target.certificates:
            self._service(
                naming.CERTIFICATE_METRICS,
                certificates.namespace,
                {"app.kubernetes.io/name": "cert-manager", _COMPONENT: "controller"},
                targets.CERTIFICATE_PORT,
            )

    def _alertmanager(self, bounds: list[pulumi.Resource]) -> None:
        name = naming.ALERTMANAGER
        files = {"alertmanager.yml": receivers.file(self._settings)}
        needs = [*bounds, *self._ground(name, files, targets.ALERTMANAGER_PORT)]
        k8s.apps.v1.Deployment(
            _logical("deployment", name),
            metadata=_metadata(name, name),
            spec={
                "replicas": 1,
                "revisionHistoryLimit": 3,
                # Two beside each other would call people twice.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": {_COMPONENT: name}},
                "template": _template(name, files, pods.alertmanager(self._settings)),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=needs),
        )

    def _prometheus(self, bounds: list[pulumi.Resource]) -> None:
        name, settings = naming.PROMETHEUS, self._settings
        files = {
            "prometheus.yml": targets.file(settings),
            "objectives.yml": objectives.file(settings),
            "alerts.yml": alerts.file(settings.runbooks),
        }
        needs = [*bounds, *self._ground(name, files, targets.PROMETHEUS_PORT)]
        storage = {"requests": {"storage": sizes.memory(sizes.PROMETHEUS_VOLUME)}}
        k8s.apps.v1.StatefulSet(
            _logical("stateful-set", name),
            metadata=_metadata(name, name),
            spec={
                "replicas": 1,
                "revisionHistoryLimit": 3,
                "serviceName": name,
                "selector": {"matchLabels": {_COMPONENT: name}},
                "template": _template(name, files, pods.prometheus(settings)),
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "storageClassName": settings.catalogue.province.target.storage_class,
                            "resources": storage,
                        },
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=needs),
        )

    def _dashboards(self) -> None:
        """Declare what a Grafana of the centre's own shows; without one nobody reads it."""
        for name, text in dashboards.files(self._settings.runbooks).items():
            called = f"dashboard-{name}"
            metadata = _metadata(called)
            k8s.core.v1.ConfigMap(
                _logical("configmap", called),
                metadata={**metadata, "labels": {**metadata["labels"], **dashboards.LABEL}},
                # Grafana's helper puts the files of all ConfigMaps into one folder.
                data={f"dcshift-{name}.json": text},
                opts=self._inside,
            )

    def _ground(self, name: str, files: dict[str, Document], port: int) -> list[pulumi.Resource]:
        """Declare a program's account, its files and its name."""
        return [
            k8s.core.v1.ServiceAccount(
                _logical("account", name),
                metadata=_metadata(name, name),
                automount_service_account_token=False,
                opts=self._inside,
            ),
            k8s.core.v1.ConfigMap(
                _logical("configmap", name), metadata=_metadata(name, name), data=_texts(files), opts=self._inside
            ),
            self._service(name, naming.MONITORING, {_COMPONENT: name}, port),
        ]

    def _service(self, name: str, namespace: str, selector: dict[str, str], port: int) -> k8s.core.v1.Service:
        metadata = {**_metadata(name, name), "namespace": namespace}
        return metrics_service(_logical("service", name), metadata, selector, port, self._inside)


def _logical(kind: str, name: str) -> str:
    return naming.logical("platform", kind, name)


def _metadata(name: str, component: str | None = None) -> Document:
    more = {_COMPONENT: component} if component else {}
    return {"name": name, "namespace": naming.MONITORING, "labels": {**_OWN, **more}}


def _texts(files: dict[str, Document]) -> dict[str, str]:
    return {name: yaml.safe_dump(content, sort_keys=False, width=120) for name, content in files.items()}


def _template(name: str, files: dict[str, Document], pod: Document) -> Document:
    # A program reads its files at its start: other files are another pod.
    read = hashlib.sha256("\0".join(_texts(files).values()).encode()).hexdigest()
    return {
        "metadata": {"labels": {**_OWN, _COMPONENT: name}, "annotations": {"dcshift.gov.vn/files": read}},
        "spec": pod,
    }
