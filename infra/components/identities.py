"""The identities of a centre in the cluster: an account each, roles of the whole cluster where one needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue.system import System
from infra import labels, naming
from infra.rights import identities
from infra.rights.identities import Identity

_OWN: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
_RBAC: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class IdentitiesArgs:
    """Whose systems there are: each has a pipeline of its own."""

    systems: Sequence[System]
    """Every system of the catalogue."""


class Identities(pulumi.ComponentResource):
    """A namespace in which nothing runs and nobody but the platform may act, so that no pod is one of these."""

    names: list[str]

    def __init__(self, name: str, args: IdentitiesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:Identities", name, None, opts)
        namespace = k8s.core.v1.Namespace(
            naming.logical("platform", "namespace", "identities"),
            metadata={"name": naming.IDENTITIES, "labels": {**_OWN, **labels.restricted()}},
            opts=pulumi.ResourceOptions(parent=self),
        )
        everyone = identities.everyone(args.systems)
        for each in everyone:
            k8s.core.v1.ServiceAccount(
                naming.logical("platform", "identity", each.name),
                metadata={"name": each.name, "namespace": naming.IDENTITIES, "labels": _OWN},
                automount_service_account_token=False,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace]),
            )
        for each in identities.of_the_cluster(args.systems):
            role = k8s.rbac.v1.ClusterRole(
                naming.logical("platform", "cluster-role", each.name),
                metadata=_metadata(each),
                rules=each.rules,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self._binding(each, _metadata(each)["name"], [role])
        self._binding(identities.BREAK_GLASS, "cluster-admin", [])
        self.names = [each.name for each in everyone]
        self.register_outputs({"names": self.names})

    def _binding(self, identity: Identity, role: str, after: list[pulumi.Resource]) -> None:
        k8s.rbac.v1.ClusterRoleBinding(
            naming.logical("platform", "cluster-binding", identity.name),
            metadata=_metadata(identity),
            role_ref={"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
            subjects=identity.subjects,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )


def _metadata(identity: Identity) -> dict[str, Any]:
    return {"name": f"dcshift-{identity.name}", "labels": _OWN}
