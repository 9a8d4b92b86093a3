"""Where a backup is restored for a trial: a namespace that no system reaches and that reads backups only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from infra import labels, naming, sizes
from infra.answers import Answer
from infra.components.network_policies import drills
from infra.config import Settings
from infra.rights import identities

_COUNTS: Final = {
    "pods": "3",
    "persistentvolumeclaims": "1",
    "services.loadbalancers": "0",
    "services.nodeports": "0",
}
ANSWERS: Final = (
    Answer(
        {"kube-score": ("networkpolicy-targets-pod",)},
        ("NetworkPolicy dcshift-drills/*",),
        "The pods of a restored database are made by its operator for the length of a drill: the judge sees none. "
        "`dcshift network` knows their labels and proves what these policies open.",
    ),
)


@dataclass(frozen=True, slots=True)
class DrillRoomArgs:
    """Under which settings."""

    settings: Settings
    """The platform stack's own: the addresses that a restored database may reach stand in it."""


class DrillRoom(pulumi.ComponentResource):
    """The namespace of restore drills, with room for one database at a time; what is in it may always be deleted."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: DrillRoomArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:DrillRoom", name, None, opts)
        own = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
        namespace = k8s.core.v1.Namespace(
            naming.logical("platform", "namespace", "drills"),
            metadata={"name": naming.DRILLS, "labels": {**own, **labels.restricted()}},
            opts=pulumi.ResourceOptions(parent=self),
        )
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])

        def metadata(called: str) -> dict[str, Any]:
            return {"name": called, "namespace": naming.DRILLS, "labels": own}

        k8s.core.v1.ResourceQuota(
            naming.logical("platform", "quota", "drills"),
            metadata=metadata("quota"),
            # The instance, and the pod that restores it.
            spec={"hard": {**sizes.data(1).quota(), **_COUNTS}},
            opts=inside,
        )
        k8s.core.v1.LimitRange(
            naming.logical("platform", "limits", "drills"),
            metadata=metadata("limits"),
            spec={"limits": [sizes.container_limits(sizes.DATABASE)]},
            opts=inside,
        )
        k8s.core.v1.ServiceAccountPatch(
            naming.logical("platform", "default-account", "drills"),
            metadata={"name": "default", "namespace": naming.DRILLS},
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace], retain_on_delete=True),
        )
        role = k8s.rbac.v1.Role(
            naming.logical("platform", "role", "drills"),
            metadata=metadata(naming.DRILL),
            rules=identities.drilling(args.settings.catalogue.systems),
            opts=inside,
        )
        k8s.rbac.v1.RoleBinding(
            naming.logical("platform", "binding", "drills"),
            metadata=metadata(naming.DRILL),
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": naming.DRILL},
            subjects=identities.DRILL.subjects,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        for called, spec in drills(args.settings).items():
            k8s.networking.v1.NetworkPolicy(
                naming.logical("platform", "policy", f"drills-{called}"),
                metadata=metadata(called),
                spec=spec,
                opts=inside,
            )
        self.namespace = namespace.metadata["name"]
        self.register_outputs({"namespace": self.namespace})
