"""Layer `platform`: the doors from outside, identities, admission policies, monitoring; the ground of no system."""

from __future__ import annotations

import pulumi

from infra.components.admission_guard import AdmissionGuard, AdmissionGuardArgs
from infra.components.drill_room import DrillRoom, DrillRoomArgs
from infra.components.edge import Edge, EdgeArgs
from infra.components.identities import Identities, IdentitiesArgs
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
    classes = {each: province.target.zone(each).gateway_class for each in settings.exposures}
    edge = Edge("edge", EdgeArgs(settings.edge_namespace, classes, province.domain, province.target.certificates), opts)
    pulumi.export("gateways", edge.names)
