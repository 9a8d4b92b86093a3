"""One system's web process as people reach it: pods, service, route, bounds of scaling; never its data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from infra import labels, mounts, naming, rate_limit, sizes, spreading, workload
from infra.answers import Answer
from infra.config import Settings

ANSWERS: Final = (
    Answer(
        {"kube-score": ("deployment-has-host-podantiaffinity",)},
        ("Deployment httt-*-app/*-web",),
        "Pods are spread over nodes by a topology spread constraint: preferred as such an affinity would be, and "
        "also when there are more pods than nodes.",
    ),
    Answer(
        {"kube-score": ("horizontalpodautoscaler-replicas",)},
        ("HorizontalPodAutoscaler httt-*-app/*-web",),
        "At level 1 it begins with one pod, which the norm allows: such a system may be away while its pod moves to "
        "another node. From level 2 on it begins with two, and the judge has nothing to say.",
    ),
    Answer(
        {"kube-score": ("pod-probes-identical",)},
        ("Deployment httt-*-app/*-web",),
        "Both ask the process whether it answers; readiness may not ask the database, which is empty until the "
        "move. Liveness gives up much later (6 times 20 s, readiness 3 times 5 s), so a busy pod is spared before "
        "it is restarted.",
    ),
)


@dataclass(frozen=True, slots=True)
class WebServiceArgs:
    """Whose web process, and what is special to its environment."""

    settings: Settings
    """The system stack's own: which system, which release, which image."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of this service alone, added to those of every system; never a secret."""


class WebService(pulumi.ComponentResource):
    """A Deployment behind a Service behind a route of its zone's Gateway."""

    deployment: pulumi.Output[str]

    def __init__(self, name: str, args: WebServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:svc:WebService", name, None, opts)
        self._settings, system = args.settings, args.settings.system
        self._id, self._name = system.id, naming.web(system.id)
        selector = labels.selector(system, "web")
        child = pulumi.ResourceOptions(parent=self)
        account = k8s.core.v1.ServiceAccount(
            self._logical("account"), metadata=self._metadata(), automount_service_account_token=False, opts=child
        )
        service = k8s.core.v1.Service(
            self._logical("service"),
            metadata=self._metadata(),
            spec={
                "type": "ClusterIP",
                "selector": selector,
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            },
            opts=child,
        )
        deployment = k8s.apps.v1.Deployment(
            self._logical("deployment"),
            metadata=self._metadata(),
            spec=self._deployment(selector, args.environment),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
        )
        self._route(service)
        self._scaling(deployment)
        k8s.policy.v1.PodDisruptionBudget(
            self._logical("disruption"),
            metadata=self._metadata(),
            # Not minAvailable: with one replica that would forbid to drain the node, for ever.
            spec={"maxUnavailable": 1, "selector": {"matchLabels": selector}},
            opts=child,
        )
        self.deployment = deployment.metadata["name"]
        self.register_outputs({"deployment": self.deployment})

    def _logical(self, kind: str) -> str:
        return naming.logical(self._id, kind, "web")

    def _metadata(self) -> dict[str, Any]:
        found = labels.of_component(self._settings.catalogue.province, self._settings.system, "web")
        return {"name": self._name, "namespace": naming.app_namespace(self._id), "labels": found}

    def _deployment(self, selector: dict[str, str], environment: dict[str, str]) -> dict[str, Any]:
        # No `replicas`: the autoscaler owns that field, and two owners would be a conflict at every deployment.
        return {
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": self._metadata()["labels"]},
                "spec": workload.pod(
                    self._name,
                    [self._container(environment)],
                    mounts.in_pod(self._settings.system, "web"),
                    terminationGracePeriodSeconds=45,
                    **mounts.beside_the_last(self._settings.system, selector),
                    **spreading.on(self._settings.pool(self._settings.system)),
                    topologySpreadConstraints=spreading.pods(self._settings.asked(self._settings.system), selector),
                ),
            },
        }

    def _container(self, environment: dict[str, str]) -> dict[str, Any]:
        web = self._settings.system.web
        probe = {
            "httpGet": {
                "path": web.health,
                "port": "http",
                # The application answers to its public name only.
                "httpHeaders": [{"name": "Host", "value": workload.public_host(self._settings)}],
            },
            "timeoutSeconds": 5,
        }
        container = workload.container(self._settings, "web", ["web"], sizes.WEB, environment)
        return {
            **mounts.opening(self._settings.system, "web", container),
            "ports": [{"name": "http", "containerPort": web.port, "protocol": "TCP"}],
            "startupProbe": {**probe, "periodSeconds": 2, "failureThreshold": 60},
            # Readiness asks `health`, not `ready`: the database is empty until it has been moved, and the pods must
            # stand behind the route before traffic comes, or the cut would wait for them. The migration itself asks
            # `ready` before it sends anyone here.
            "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
            "livenessProbe": {**probe, "periodSeconds": 20, "failureThreshold": 6},
            # The route still sends requests for a moment after a pod is told to stop.
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        }

    def _route(self, service: k8s.core.v1.Service) -> None:
        gateway = naming.edge(self._settings.system.exposure)
        limited = self._settings.catalogue.province.target.rate_limit
        k8s.apiextensions.CustomResource(
            self._logical("route"),
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            metadata=self._metadata(),
            spec={
                "parentRefs": [{"name": gateway, "namespace": self._settings.edge_namespace, "sectionName": "https"}],
                "hostnames": [workload.public_host(self._settings)],
                "rules": [
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backendRefs": [{"name": self._name, "port": 80}],
                        **({"filters": [rate_limit.FILTER]} if limited else {}),
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service]),
        )

    def _scaling(self, deployment: k8s.apps.v1.Deployment) -> None:
        replicas = self._settings.replicas(self._settings.system)
        alone = mounts.alone(self._settings.system)
        k8s.autoscaling.v2.HorizontalPodAutoscaler(
            self._logical("scaling"),
            metadata=self._metadata(),
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self._name},
                "minReplicas": replicas,
                "maxReplicas": replicas if alone else sizes.web_replicas_max(replicas),
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 300}},
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
