"""Layer `platform`: the doors from outside, identities, monitoring, and the ground for every system; none of theirs."""

from __future__ import annotations

import pulumi

from infra.components.admission_guard import AdmissionGuard, AdmissionGuardArgs
from infra.components.drill_room import DrillRoom, DrillRoomArgs
from infra.components.edge import Edge, EdgeArgs
from infra.components.identities import Identities, IdentitiesArgs
from infra.components.information_system import InformationSystem, InformationSystemArgs
from infra.components.observability import Observability, ObservabilityArgs
from infra.components.security_ground import SecurityGround, SecurityGroundArgs
from infra.config import Settings
from infra.stacks.cluster import provider


def build(settings: Settings) -> None:
    """Declare the layer."""
    opts, province = pulumi.ResourceOptions(providers=[provider(settings)]), settings.catalogue.province
    AdmissionGuard("rules", AdmissionGuardArgs(settings), opts)
    Identities("identities", IdentitiesArgs(settings.catalogue.systems), opts)
    DrillRoom("drills", DrillRoomArgs(settings), opts)
    Observability("monitoring", ObservabilityArgs(settings), opts)
    if province.security_log:
        SecurityGround("security", SecurityGroundArgs(settings, province.security_log), opts)
    namespaces, grounds = {}, []
    for system in settings.catalogue.systems:
        ground = InformationSystem(system.id, InformationSystemArgs(settings, system), opts)
        namespaces[system.id] = {"app": ground.app_namespace, "data": ground.data_namespace}
        grounds.append(ground)
    classes = {each: province.target.zone(each).gateway_class for each in settings.exposures}
    # A Gateway that asks for a label before the namespaces have it lets go of every route.
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=grounds))
    edge = Edge(
        "edge", EdgeArgs(settings.edge_namespace, classes, province.domain, province.target.certificates), after
    )
    pulumi.export("gateways", edge.names)
    pulumi.export("namespaces", namespaces)
