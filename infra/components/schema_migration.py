"""The application's own schema migration of one release, run to its end before that release's web pods start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra import labels, naming, sizes, spreading, workload
from infra.config import Settings


@dataclass(frozen=True, slots=True)
class SchemaMigrationArgs:
    """Whose schema, and what is special to the environment."""

    settings: Settings
    """The system stack's own: which system, which release, which image."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of this service alone, added to those of every system; never a secret."""


class SchemaMigration(pulumi.ComponentResource):
    """A Job named after the release: another release is another Job, the same release is not run again."""

    def __init__(self, name: str, args: SchemaMigrationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:svc:SchemaMigration", name, None, opts)
        settings, system = args.settings, args.settings.system
        found = labels.of_component(settings.catalogue.province, system, "schema")

        def metadata(named: str) -> dict[str, Any]:
            return {"name": named, "namespace": naming.app_namespace(system.id), "labels": found}

        account = k8s.core.v1.ServiceAccount(
            naming.logical(system.id, "account", "schema"),
            metadata=metadata(naming.schema_account(system.id)),
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        words = ["manage", "migrate", "--noinput"]
        # It locks, sets and builds beyond one transaction, which a pool may lend no connection for, and it is the one
        # that must not stand behind waiting readers.
        environment = {**args.environment, **workload.past_pool(settings)}
        k8s.batch.v1.Job(
            naming.logical(system.id, "job", "schema"),
            metadata=metadata(naming.schema_migration(system.id, settings.deployed_release)),
            spec={
                # A migration that failed half-way needs a person, not a second try.
                "backoffLimit": 0,
                "activeDeadlineSeconds": 1800,
                "template": {
                    "metadata": {"labels": found},
                    "spec": workload.pod(
                        naming.schema_account(system.id),
                        [workload.container(settings, "schema", words, sizes.SCHEMA, environment)],
                        restartPolicy="Never",
                        **spreading.on(settings.pool(system)),
                        initContainers=[workload.wait_for_database(settings, sizes.SCHEMA, environment)],
                    ),
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
        )
        self.register_outputs({})
