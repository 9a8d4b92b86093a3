"""Where the security log is gathered and sent: two namespaces, what may pass between them, and who may work there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue.province import SecurityLog
from infra import labels, naming, sizes
from infra.answers import Answer
from infra.components.network_policies import security_log
from infra.config import Settings
from infra.rights import identities

_OWN: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
_NODES_MAX: Final = 50
_NO_DOORS: Final = {"services.loadbalancers": "0", "services.nodeports": "0"}
_RELAYS_TEAM: Final = "Role dcshift-security/security"
_AGENTS_TEAM: Final = "Role dcshift-log-agents/security"
ANSWERS: Final = (
    Answer(
        {"trivy": ("KSV048",)},
        (_RELAYS_TEAM,),
        "The team of the security log runs its relay, in this one namespace; pod security refuses a pod with more "
        "rights than ours.",
    ),
    Answer(
        {"trivy": ("KSV048",)},
        (_AGENTS_TEAM,),
        "The same team runs its agents. They read a node's folders, so pod security is open there, and who has "
        "this role could start a pod that is root of its node: it is trusted so far (docs/limits.md), and what it "
        "writes stands in the audit log.",
    ),
    Answer(
        {"trivy": ("KSV049",)},
        (_AGENTS_TEAM, _RELAYS_TEAM),
        "The team writes its programs' configuration; no other ConfigMap but the cluster's own authority lies in "
        "its two namespaces.",
    ),
    Answer(
        {"trivy": ("KSV056",)},
        (_AGENTS_TEAM, _RELAYS_TEAM),
        "The team has the Service of its relay. It writes no network policy, and the quota refuses a Service that "
        "opens a port to the outside.",
    ),
)


@dataclass(frozen=True, slots=True)
class SecurityGroundArgs:
    """Whose log goes where."""

    settings: Settings
    """The platform stack's own."""
    log: SecurityLog
    """The declared ends: network policies open to these addresses and no other."""


class SecurityGround(pulumi.ComponentResource):
    """The ground of the security log; the team that runs the log cannot widen it.

    The stack `security` puts the programs there.
    """

    namespaces: list[str]

    def __init__(self, name: str, args: SecurityGroundArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:SecurityGround", name, None, opts)
        policies = security_log(args.settings, args.log)
        agents = {**(sizes.LOG_AGENT * _NODES_MAX).quota(), "pods": str(_NODES_MAX), "persistentvolumeclaims": "0"}
        # One more of each for the pod that follows.
        each = sizes.LOG_RELAY + sizes.LOG_NATIONAL if args.log.national else sizes.LOG_RELAY
        count = 2 if args.log.national else 1
        relay = {**(each * 2).quota(), "pods": str(2 * count), "persistentvolumeclaims": str(count)}
        for namespace, security, quota, largest in (
            (naming.LOG_AGENTS, labels.reads_nodes(), agents, sizes.LOG_AGENT),
            (naming.SECURITY_LOG, labels.restricted(), relay, sizes.LOG_RELAY),
        ):
            made = k8s.core.v1.Namespace(
                naming.logical("platform", "namespace", namespace),
                metadata={"name": namespace, "labels": {**_OWN, **security}},
                opts=pulumi.ResourceOptions(parent=self),
            )
            self._fill(namespace, {**quota, **_NO_DOORS}, largest, policies[namespace], made)
        self.namespaces = [naming.LOG_AGENTS, naming.SECURITY_LOG]
        self.register_outputs({"namespaces": self.namespaces})

    def _fill(
        self,
        namespace: str,
        quota: dict[str, str],
        largest: sizes.Size,
        policies: dict[str, Any],
        made: pulumi.Resource,
    ) -> None:
        inside = pulumi.ResourceOptions(parent=self, depends_on=[made])

        def metadata(called: str) -> dict[str, Any]:
            return {"name": called, "namespace": namespace, "labels": _OWN}

        def logical(kind: str, called: str) -> str:
            return naming.logical("platform", kind, f"{namespace}-{called}")

        k8s.core.v1.ResourceQuota(
            logical("quota", "quota"), metadata=metadata("quota"), spec={"hard": quota}, opts=inside
        )
        k8s.core.v1.LimitRange(
            logical("limits", "limits"),
            metadata=metadata("limits"),
            spec={"limits": [sizes.container_limits(largest)]},
            opts=inside,
        )
        k8s.core.v1.ServiceAccountPatch(
            logical("default-account", "default"),
            metadata={"name": "default", "namespace": namespace},
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[made], retain_on_delete=True),
        )
        for called, spec in policies.items():
            k8s.networking.v1.NetworkPolicy(
                logical("policy", called), metadata=metadata(called), spec=spec, opts=inside
            )
        team = identities.SECURITY
        role = k8s.rbac.v1.Role(logical("role", team.name), metadata=metadata(team.name), rules=team.rules, opts=inside)
        k8s.rbac.v1.RoleBinding(
            logical("binding", team.name),
            metadata=metadata(team.name),
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": team.name},
            subjects=team.subjects,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
