"""Layer `data`: what must not be lost. The passwords are in the cluster before it runs (`python -m infra.provide`)."""

from __future__ import annotations

from typing import Literal

import pulumi

from catalogue.system import System
from infra import labels, naming, sizes
from infra.components.connection_pool import ConnectionPool, ConnectionPoolArgs
from infra.components.postgres_cluster import BackupPlace, PostgresCluster, PostgresClusterArgs
from infra.config import Settings
from infra.stacks.cluster import provider


def build(settings: Settings) -> None:
    """Declare the layer."""
    opts, province = pulumi.ResourceOptions(providers=[provider(settings)]), settings.catalogue.province
    clusters = {}
    for system in settings.catalogue.systems:
        tag = settings.postgres_tag or str(system.database.major)
        args = PostgresClusterArgs(
            system=system.id,
            labels=labels.of_component(province, system, "database"),
            image=f"{settings.registry}/postgresql:{tag}",
            major=system.database.major,
            instances=settings.instances(system),
            storage=system.database.storage,
            storage_class=province.target.storage_class,
            locale=system.database.locale,
            size=sizes.DATABASE,
            asked=settings.asked(system),
            pool=settings.pool(system),
            backup=BackupPlace(
                bucket=naming.backup_bucket(province.id, province.environment, system.id),
                endpoint=province.target.object_store,
                secret=naming.backup_secret(system.id),
            ),
            seed=settings.seeds.get(system.id),
            may_be_destroyed=settings.data_may_be_destroyed,
        )
        cluster = PostgresCluster(system.id, args, opts)
        clusters[system.id] = cluster.name
        if system.database.pooler:
            after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[cluster]))
            ConnectionPool(system.id, _pool(settings, system, system.database.pooler), after)
    pulumi.export("clusters", clusters)


def _pool(settings: Settings, system: System, mode: Literal["session", "transaction"]) -> ConnectionPoolArgs:
    instances = settings.poolers(system)
    connections_max, clients_max = sizes.pool(instances)
    return ConnectionPoolArgs(
        system=system.id,
        labels=labels.of_component(settings.catalogue.province, system, "pooler"),
        image=settings.pinned("pgbouncer", settings.pgbouncer_image),
        mode=mode,
        instances=instances,
        connections_max=connections_max,
        clients_max=clients_max,
        size=sizes.POOLER,
        asked=settings.asked(system),
        pool=settings.pool(system),
        protected=not settings.data_may_be_destroyed,
    )
