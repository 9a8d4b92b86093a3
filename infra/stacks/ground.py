"""Layer `ground`: what one system stands on, a stack for each: namespaces, quotas, limits, network and rights."""

from __future__ import annotations

import pulumi

from infra.components.information_system import InformationSystem, InformationSystemArgs
from infra.config import Settings
from infra.stacks.cluster import provider


def build(settings: Settings) -> None:
    """Declare the layer."""
    opts, system = pulumi.ResourceOptions(providers=[provider(settings)]), settings.system
    ground = InformationSystem(system.id, InformationSystemArgs(settings, system), opts)
    pulumi.export("namespaces", {"app": ground.app_namespace, "data": ground.data_namespace})
