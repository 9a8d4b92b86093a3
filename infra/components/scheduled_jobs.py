"""One system's scheduled jobs; they run only where the system is served, so they are born suspended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from catalogue.system import Job
from infra import labels, mounts, naming, sizes, spreading, workload
from infra.config import Settings


@dataclass(frozen=True, slots=True)
class ScheduledJobsArgs:
    """Whose jobs, and what is special to their environment."""

    settings: Settings
    """The system stack's own: which system, which release, which image, and which side serves."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of this service alone, added to those of every system; never a secret."""


class ScheduledJobs(pulumi.ComponentResource):
    """One CronJob for each job of the catalogue."""

    def __init__(self, name: str, args: ScheduledJobsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:svc:ScheduledJobs", name, None, opts)
        self._settings, system = args.settings, args.settings.system
        account_name = naming.jobs_account(system.id)
        account = k8s.core.v1.ServiceAccount(
            naming.logical(system.id, "account", "jobs"),
            metadata=self._metadata(account_name),
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        for job in system.jobs:
            k8s.batch.v1.CronJob(
                naming.logical(system.id, "cronjob", job.name),
                metadata=self._metadata(naming.job(system.id, job.name)),
                spec=self._spec(job, account_name, args.environment),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
            )
        self.register_outputs({})

    def _metadata(self, name: str) -> dict[str, Any]:
        system = self._settings.system
        found = labels.of_component(self._settings.catalogue.province, system, "job")
        return {"name": name, "namespace": naming.app_namespace(system.id), "labels": found}

    def _spec(self, job: Job, account: str, environment: dict[str, str]) -> dict[str, Any]:
        container = workload.container(self._settings, "job", job.command, sizes.JOB, environment)
        return {
            "schedule": job.schedule,
            "timeZone": self._settings.catalogue.province.time_zone,
            # A job runs on one side only. While the source serves, ours are suspended; the migration arms them at the
            # cut as field manager `dcshift-migrator`, and `serves: target` says so here afterwards.
            "suspend": self._settings.serves == "source",
            "concurrencyPolicy": "Forbid",
            # After a suspension the controller would count every missed run and refuse beyond a hundred.
            "startingDeadlineSeconds": 60,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 2,
            "jobTemplate": {
                "metadata": {"labels": self._metadata("")["labels"]},
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": 900,
                    "template": {
                        "metadata": {"labels": self._metadata("")["labels"]},
                        "spec": workload.pod(
                            account,
                            [mounts.opening(self._settings.system, "job", container)],
                            mounts.in_pod(self._settings.system, "job"),
                            restartPolicy="Never",
                            **spreading.on(self._settings.pool(self._settings.system)),
                            initContainers=[workload.wait_for_database(self._settings, sizes.JOB, {})],
                        ),
                    },
                },
            },
        }
