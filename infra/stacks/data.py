"""Layer `data`: what must not be lost. The passwords are in the cluster before it runs (`python -m infra.provide`)."""

from __future__ import annotations

import pulumi

from infra import labels, naming, sizes
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
            backup=BackupPlace(
                bucket=naming.backup_bucket(province.id, province.environment, system.id),
                endpoint=province.target.object_store,
                secret=naming.backup_secret(system.id),
            ),
            may_be_destroyed=settings.data_may_be_destroyed,
        )
        clusters[system.id] = PostgresCluster(system.id, args, opts).name
    pulumi.export("clusters", clusters)
