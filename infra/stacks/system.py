"""Layer `system`: the workloads of one system, and the contract that tells the migration where they are."""

from __future__ import annotations

import json

import pulumi
import pulumi_kubernetes as k8s

from infra import contract, labels, naming, services
from infra.components.scheduled_jobs import ScheduledJobs, ScheduledJobsArgs
from infra.components.schema_migration import SchemaMigration, SchemaMigrationArgs
from infra.components.web_service import WebService, WebServiceArgs
from infra.components.workers import Workers, WorkersArgs
from infra.config import Settings
from infra.stacks.cluster import provider


def build(settings: Settings) -> None:
    """Declare the layer."""
    target, system = provider(settings), settings.system
    opts = pulumi.ResourceOptions(providers=[target])
    special = services.of(system.id)
    web, job = dict(special.web_environment), dict(special.job_environment)
    after = opts
    if settings.migrate:
        schema = SchemaMigration(system.id, SchemaMigrationArgs(settings, job), opts)
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[schema]))
    WebService(system.id, WebServiceArgs(settings, web), after)
    ScheduledJobs(system.id, ScheduledJobsArgs(settings, job), after)
    if system.workers:
        Workers(system.id, WorkersArgs(settings, job), after)
    document = contract.build(settings)
    k8s.core.v1.ConfigMap(
        naming.logical(system.id, "configmap", "contract"),
        metadata={
            "name": naming.CONTRACT,
            "namespace": naming.app_namespace(system.id),
            "labels": labels.of_system(settings.catalogue.province, system),
        },
        data={"contract.json": json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)},
        opts=pulumi.ResourceOptions(provider=target),
    )
    pulumi.export("contract", document)
