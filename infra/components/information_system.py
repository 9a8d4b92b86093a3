"""The ground that one information system stands on: namespaces, quotas, limits, network and rights; no workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue import volumes
from catalogue.system import System, mebibytes
from infra import labels, naming, rate_limit, sizes
from infra.answers import Answer
from infra.components.network_policies import Policy, policies
from infra.components.roles import Grant, grants
from infra.config import Settings

ANSWERS: Final = (
    Answer(
        {"kube-score": ("networkpolicy-targets-pod",)},
        ("NetworkPolicy httt-*-data/*",),
        "The pods of a database are made by its operator, not by us: the judge sees none. `dcshift network` knows "
        "their labels and proves what these policies open.",
    ),
)


@dataclass(frozen=True, slots=True)
class InformationSystemArgs:
    """Which system, under which settings."""

    settings: Settings
    """The stack's own; addresses, copies and locks come from here."""
    system: System
    """Whose ground it is; its level and its parts decide the quotas."""


class InformationSystem(pulumi.ComponentResource):
    """Two namespaces: `data` is never thrown away without saying so, nor is `app` where volumes of files lie in it."""

    app_namespace: pulumi.Output[str]
    data_namespace: pulumi.Output[str]

    def __init__(self, name: str, args: InformationSystemArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:tenancy:InformationSystem", name, None, opts)
        self._args, self._id = args, args.system.id
        app = self._namespace("app", naming.app_namespace(self._id), keeps=bool(volumes.of(args.system)))
        data = self._namespace("data", naming.data_namespace(self._id), keeps=True)
        self._replicas = args.settings.replicas(args.system)
        self._instances, self._poolers = args.settings.instances(args.system), args.settings.poolers(args.system)
        self._limits(app, "app", sizes.app(args.system, self._replicas), self._app_counts(), sizes.WEB)
        self._limits(data, "data", sizes.data(self._instances, self._poolers), self._data_counts(), sizes.DATABASE)
        for policy in policies(args.settings, args.system):
            self._policy(policy, app if policy.tier == "app" else data)
        for grant in grants(args.system):
            self._grant(grant, app if grant.tier == "app" else data)
        self._migrator(app)
        self._limit(app)
        self.app_namespace, self.data_namespace = app.metadata["name"], data.metadata["name"]
        self.register_outputs({"app_namespace": self.app_namespace, "data_namespace": self.data_namespace})

    def _metadata(self, name: str, namespace: str | None = None) -> dict[str, Any]:
        found = labels.of_system(self._args.settings.catalogue.province, self._args.system)
        return {"name": name, "labels": found, **({"namespace": namespace} if namespace else {})}

    def _in(self, namespace: k8s.core.v1.Namespace) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[namespace])

    def _namespace(self, tier: labels.Tier, name: str, *, keeps: bool) -> k8s.core.v1.Namespace:
        found = labels.of_namespace(self._args.settings.catalogue.province, self._args.system, tier)
        # Deleting a namespace deletes what is in it: the lock is here, not only on the database and the claims.
        locked = keeps and not self._args.settings.data_may_be_destroyed
        opts = pulumi.ResourceOptions(parent=self, protect=locked, retain_on_delete=locked)
        return k8s.core.v1.Namespace(
            naming.logical(self._id, "namespace", tier), metadata={"name": name, "labels": found}, opts=opts
        )

    def _app_counts(self) -> dict[str, str]:
        found = volumes.of(self._args.system)
        return {
            "pods": str(sizes.app_pods_max(self._args.system, self._replicas)),
            "persistentvolumeclaims": str(len(found)),
            **({"requests.storage": sizes.memory(sizes.files(self._args.system))} if found else {}),
        }

    def _data_counts(self) -> dict[str, str]:
        storage = mebibytes(self._args.system.database.storage) * (self._instances + 1)
        return {
            "pods": str(self._instances + 3 + self._poolers + bool(self._poolers)),
            "persistentvolumeclaims": str(self._instances + 1),
            "requests.storage": sizes.memory(storage),
        }

    def _limits(
        self,
        namespace: k8s.core.v1.Namespace,
        tier: labels.Tier,
        size: sizes.Size,
        counts: dict[str, str],
        largest: sizes.Size,
    ) -> None:
        name = naming.app_namespace(self._id) if tier == "app" else naming.data_namespace(self._id)
        hard = {**size.quota(), **counts, "services.loadbalancers": "0", "services.nodeports": "0"}
        k8s.core.v1.ResourceQuota(
            naming.logical(self._id, "quota", tier),
            metadata=self._metadata("quota", name),
            spec={"hard": hard},
            opts=self._in(namespace),
        )
        k8s.core.v1.LimitRange(
            naming.logical(self._id, "limits", tier),
            metadata=self._metadata("limits", name),
            spec={"limits": [sizes.container_limits(largest)]},
            opts=self._in(namespace),
        )
        # The account that pods get when they name none: it must not carry a token. It is not ours to delete.
        k8s.core.v1.ServiceAccountPatch(
            naming.logical(self._id, "default-account", tier),
            metadata={"name": "default", "namespace": name},
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace], retain_on_delete=True),
        )

    def _policy(self, policy: Policy, namespace: k8s.core.v1.Namespace) -> None:
        k8s.networking.v1.NetworkPolicy(
            naming.logical(self._id, "policy", f"{policy.tier}-{policy.name}"),
            metadata=self._metadata(policy.name, policy.namespace),
            spec=policy.spec,
            opts=self._in(namespace),
        )

    def _grant(self, grant: Grant, namespace: k8s.core.v1.Namespace) -> None:
        opts = self._in(namespace)
        k8s.rbac.v1.Role(
            naming.logical(self._id, "role", f"{grant.tier}-{grant.name}"),
            metadata=self._metadata(grant.name, grant.namespace),
            rules=grant.rules,
            opts=opts,
        )
        k8s.rbac.v1.RoleBinding(
            naming.logical(self._id, "binding", f"{grant.tier}-{grant.name}"),
            metadata=self._metadata(grant.name, grant.namespace),
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": grant.name},
            subjects=grant.subjects,
            opts=opts,
        )

    def _limit(self, namespace: k8s.core.v1.Namespace) -> None:
        # Here and not beside the route: a pipeline that could change its own limit would have none.
        if limit := self._args.settings.catalogue.province.target.rate_limit_of(self._args.system):
            k8s.apiextensions.CustomResource(
                naming.logical(self._id, "middleware", naming.RATE_LIMIT),
                api_version=rate_limit.API_VERSION,
                kind=rate_limit.KIND,
                metadata=self._metadata(naming.RATE_LIMIT, naming.app_namespace(self._id)),
                spec=rate_limit.spec(limit),
                # Kept where the limit is taken away: the route names it until its own stack follows, and a route whose
                # middleware is gone serves nobody.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace], retain_on_delete=True),
            )

    def _migrator(self, namespace: k8s.core.v1.Namespace) -> None:
        # Of a move that shall have no more rights than it needs: its token is asked for then (docs/own-centre.md) and
        # ends by itself, so no pod and no Secret holds one.
        k8s.core.v1.ServiceAccount(
            naming.logical(self._id, "account", "migrator"),
            metadata=self._metadata(naming.MIGRATOR, naming.app_namespace(self._id)),
            automount_service_account_token=False,
            opts=self._in(namespace),
        )
