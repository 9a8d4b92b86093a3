"""One system's workers: processes that act unasked, so they work on one side alone and are born without a pod."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue.system import Worker
from infra import labels, mounts, naming, sizes, spreading, workload
from infra.answers import Answer
from infra.config import Settings

ANSWERS: Final = (
    Answer(
        {"kube-score": ("pod-probes-identical",)},
        ("StatefulSet httt-*-app/*",),
        "Both ask the worker's own command whether it gets on: it serves nobody, so there is nothing else to be "
        "ready for. Liveness gives up after 4 times 30 s, readiness after 2 times 15 s.",
    ),
    Answer(
        {"kube-score": ("statefulset-has-servicename",)},
        ("StatefulSet httt-*-app/*",),
        "Nobody calls a worker, by whatever name: there is no Service, and no network policy that would let "
        "anybody in.",
    ),
)


@dataclass(frozen=True, slots=True)
class WorkersArgs:
    """Whose workers, and what is special to their environment."""

    settings: Settings
    """The system stack's own: which system, which release, which image, and which side serves."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of this service alone, added to those of every system; never a secret."""


class Workers(pulumi.ComponentResource):
    """One StatefulSet and its disruption budget for each worker of the catalogue."""

    def __init__(self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:svc:Workers", name, None, opts)
        self._settings, system = args.settings, args.settings.system
        child = pulumi.ResourceOptions(parent=self)
        account_name = naming.workers_account(system.id)
        account = k8s.core.v1.ServiceAccount(
            naming.logical(system.id, "account", "workers"),
            metadata=self._metadata(account_name),
            automount_service_account_token=False,
            opts=child,
        )
        for worker in system.workers:
            called = naming.worker(system.id, worker.name)
            selector = labels.selector(system, labels.WORKER) | {labels.WORKER_NAME: worker.name}
            k8s.apps.v1.StatefulSet(
                naming.logical(system.id, "worker", worker.name),
                metadata=self._metadata(called, worker),
                spec=self._spec(worker, called, selector, account_name, args.environment),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
            )
            k8s.policy.v1.PodDisruptionBudget(
                naming.logical(system.id, "disruption", f"worker-{worker.name}"),
                metadata=self._metadata(called, worker),
                spec={"maxUnavailable": 1, "selector": {"matchLabels": selector}},
                opts=child,
            )
        self.register_outputs({})

    def _metadata(self, name: str, worker: Worker | None = None) -> dict[str, Any]:
        system = self._settings.system
        found = labels.of_component(self._settings.catalogue.province, system, labels.WORKER)
        named = {labels.WORKER_NAME: worker.name} if worker else {}
        return {"name": name, "namespace": naming.app_namespace(system.id), "labels": found | named}

    def _spec(
        self, worker: Worker, called: str, selector: dict[str, str], account: str, environment: dict[str, str]
    ) -> dict[str, Any]:
        return {
            # A worker works on one side only. While the source serves, ours has no pod; the migration starts it at the
            # cut as field manager `dcshift-migrator`, and `serves: target` says so here afterwards.
            "replicas": 0 if self._settings.serves == "source" else worker.replicas,
            # No Service has this name: nobody addresses a worker, and the field must hold one.
            "serviceName": called,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": selector},
            # They do not wait for one another; a roll-out still takes one after the other.
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": self._metadata("", worker)["labels"]},
                "spec": workload.pod(
                    account,
                    [self._container(worker, environment)],
                    mounts.in_pod(self._settings.system, "worker"),
                    terminationGracePeriodSeconds=45,
                    **spreading.on(self._settings.pool(self._settings.system)),
                    topologySpreadConstraints=spreading.pods(
                        self._settings.asked(self._settings.system), selector, by="controller-revision-hash"
                    ),
                ),
            },
        }

    def _container(self, worker: Worker, environment: dict[str, str]) -> dict[str, Any]:
        alive = {
            "exec": {"command": workload.command(self._settings.system, worker.alive)},
            "timeoutSeconds": 10,
        }
        container = workload.container(self._settings, "worker", worker.command, sizes.WORKER, environment)
        return {
            **mounts.opening(self._settings.system, "worker", container),
            "startupProbe": {**alive, "periodSeconds": 5, "failureThreshold": 60},
            "readinessProbe": {**alive, "periodSeconds": 15, "failureThreshold": 2},
            "livenessProbe": {**alive, "periodSeconds": 30, "failureThreshold": 4},
        }
