"""What rules must know of one centre: its names and numbers, and whose each namespace is; from the catalogue alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalogue import norms
from infra import labels, naming
from infra.config import Settings


@dataclass(frozen=True, slots=True)
class Facts:
    """One centre as the rules see it."""

    constants: Mapping[str, Any]
    """Values of CEL variables; they are written into admission policies as literals."""
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels of every namespace of every system, as its ground declares them."""


def of(settings: Settings) -> Facts:
    """Return what the rules must know of a centre."""
    province, systems = settings.catalogue.province, settings.catalogue.systems
    asked = [norms.controls(norms.named(province.norms), level) for level in norms.LEVELS]
    constants = {
        "registry": settings.registry,
        "domain": province.domain,
        "hosts": {system.id: f"{system.web.host}.{province.domain}" for system in systems},
        "edges": {exposure: naming.edge(exposure) for exposure in settings.exposures},
        "edgeNamespace": settings.edge_namespace,
        "operatorNamespace": settings.operator_namespace,
        "rateLimited": province.target.rate_limit is not None,
        "storageClass": province.target.storage_class,
        "sharedStorageClass": province.target.shared_storage_class or "",
        "replicasMin": [each.replicas_min for each in asked],
        "instancesMin": [each.postgres_instances_min for each in asked],
        "spread": [each.spread for each in asked],
        "pools": {system.id: pool for system in systems if (pool := settings.pool(system))},
        "follows": [each.postgres_sync for each in asked],
        "dataMayBeDestroyed": settings.data_may_be_destroyed,
    }
    tiers: tuple[tuple[labels.Tier, Any], ...] = (("app", naming.app_namespace), ("data", naming.data_namespace))
    namespaces = {
        name(system.id): labels.of_namespace(province, system, tier) for system in systems for tier, name in tiers
    }
    return Facts(constants, namespaces)
