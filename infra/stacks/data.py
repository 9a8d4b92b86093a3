"""Layer `data`: what must not be lost. The passwords are in the cluster before it runs (`python -m infra.provide`)."""

from __future__ import annotations

from typing import Literal

import pulumi

from catalogue import volumes
from catalogue.system import Files, System
from infra import labels, naming, sizes
from infra.components.connection_pool import ConnectionPool, ConnectionPoolArgs
from infra.components.file_volume import FileVolume, FileVolumeArgs
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
        for files in volumes.of(system):
            FileVolume(f"{system.id}/{files.name}", _volume(settings, system, files), opts)
    pulumi.export("clusters", clusters)


def _volume(settings: Settings, system: System, files: Files) -> FileVolumeArgs:
    target = settings.catalogue.province.target
    assert files.storage is not None, "the catalogue refuses a volume without a size"
    shared = files.access == "many-pods"
    storage_class = target.shared_storage_class if shared else target.storage_class
    assert storage_class is not None, "the catalogue refuses what no class can give"
    return FileVolumeArgs(
        system=system.id,
        files=files.name,
        labels=labels.of_component(settings.catalogue.province, system, "files"),
        storage=files.storage,
        access=files.access,
        storage_class=storage_class,
        may_be_destroyed=settings.data_may_be_destroyed,
    )


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
