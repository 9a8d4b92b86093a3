"""What rules speak of: kinds of objects in the tiers of a system, and the words that CEL may use for their parts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from infra import labels, rate_limit


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the cluster's API and the name of its resource there."""

    api_version: str
    name: str
    resource: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]


class Area(Enum):
    """Where the objects lie; the value is the tiers of namespaces that count."""

    APP = ("app",)
    DATA = ("data",)
    SYSTEM = ("app", "data")
    NAMESPACES = ()
    """The namespaces themselves, also one that hides what it is."""

    @property
    def tiers(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.value
        return found


Word = tuple[str, str]
_LABELS: Final = "namespaceObject.metadata.?labels.orValue({})"
PLACE: Final[tuple[Word, ...]] = (
    ("place", _LABELS),
    # No level, or none that is a number: an error, and an error refuses.
    ("level", f"int(variables.place['{labels.LEVEL}'])"),
    ("lab", f"variables.place[?'{labels.ENVIRONMENT}'].orValue('') == 'lab'"),
)
"""Level and environment come from the namespace: an object must not choose how strictly it is judged."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Some kinds in one area; `words` are CEL variables, each may use the ones before it."""

    id: str
    kinds: tuple[Kind, ...]
    area: Area
    words: tuple[Word, ...] = ()

    @property
    def variables(self) -> tuple[Word, ...]:
        place = PLACE if self.area is not Area.NAMESPACES else ()
        return (*place, *self.words)


NAMESPACE: Final = Kind("v1", "Namespace", "namespaces")
POD: Final = Kind("v1", "Pod", "pods")
SERVICE: Final = Kind("v1", "Service", "services")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount", "serviceaccounts")
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SECRET: Final = Kind("v1", "Secret", "secrets")
QUOTA: Final = Kind("v1", "ResourceQuota", "resourcequotas")
LIMITS: Final = Kind("v1", "LimitRange", "limitranges")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
STATEFUL_SET: Final = Kind("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SET: Final = Kind("apps/v1", "DaemonSet", "daemonsets")
JOB: Final = Kind("batch/v1", "Job", "jobs")
CRON_JOB: Final = Kind("batch/v1", "CronJob", "cronjobs")
SCALER: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ROUTE: Final = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
MIDDLEWARE: Final = Kind(rate_limit.API_VERSION, rate_limit.KIND, "middlewares")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
ROLE: Final = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
BINDING: Final = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
CLAIM: Final = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
CLUSTER: Final = Kind("postgresql.cnpg.io/v1", "Cluster", "clusters")
BACKUP: Final = Kind("postgresql.cnpg.io/v1", "ScheduledBackup", "scheduledbackups")
POOLER: Final = Kind("postgresql.cnpg.io/v1", "Pooler", "poolers")


def _in_pod(of_pod: str, of_template: str) -> str:
    """Return a CEL choice: a pod has it itself, a cron job two templates deep, everything else one deep."""
    deep = f"object.kind == 'CronJob' ? object.spec.jobTemplate.spec.{of_template} : object.spec.{of_template}"
    return f"object.kind == 'Pod' ? {of_pod} : ({deep})"


_POD: Final = ("pod", _in_pod("object.spec", "template.spec"))

NAMESPACES: Final = Subject(
    "namespaces", (NAMESPACE,), Area.NAMESPACES, (("labels", "object.metadata.?labels.orValue({})"),)
)
# The replica sets between a deployment and its pods are left out: an old one must still be scaled down.
WORKLOADS: Final = Subject(
    "workloads",
    (POD, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB),
    Area.APP,
    (
        _POD,
        ("podLabels", f"({_in_pod('object.metadata.?labels', 'template.?metadata.labels')}).orValue({{}})"),
        ("containers", "variables.pod.?containers.orValue([]) + variables.pod.?initContainers.orValue([])"),
        ("volumes", "variables.pod.?volumes.orValue([])"),
    ),
)
DEPLOYMENTS: Final = Subject("deployments", (DEPLOYMENT,), Area.APP)
STANDING: Final = Subject("standing", (DEPLOYMENT, STATEFUL_SET), Area.APP, (("pod", "object.spec.template.spec"),))
"""What runs all the time: web processes and workers."""
JOBS: Final = Subject(
    "jobs",
    (JOB, CRON_JOB),
    Area.APP,
    (("job", "object.kind == 'CronJob' ? object.spec.jobTemplate.spec : object.spec"),),
)
CRON_JOBS: Final = Subject("cron-jobs", (CRON_JOB,), Area.APP)
SERVICES: Final = Subject("services", (SERVICE,), Area.SYSTEM)
ROUTES: Final = Subject("routes", (ROUTE,), Area.APP)
MIDDLEWARES: Final = Subject("middlewares", (MIDDLEWARE,), Area.APP)
SETTINGS: Final = Subject("settings", (CONFIG_MAP,), Area.APP)
SECRETS: Final = Subject("secrets", (SECRET,), Area.SYSTEM)
ACCOUNTS: Final = Subject("accounts", (SERVICE_ACCOUNT,), Area.SYSTEM)
POLICIES: Final = Subject("network-policies", (NETWORK_POLICY,), Area.SYSTEM)
# A role without rules says `rules: null`.
ROLES: Final = Subject(
    "roles", (ROLE,), Area.SYSTEM, (("rules", "has(object.rules) && object.rules != null ? object.rules : []"),)
)
BINDINGS: Final = Subject("bindings", (BINDING,), Area.SYSTEM, (("subjects", "object.?subjects.orValue([])"),))
QUOTAS: Final = Subject("quotas", (QUOTA,), Area.SYSTEM, (("hard", "object.spec.?hard.orValue({})"),))
LIMIT_RANGES: Final = Subject(
    "limits",
    (LIMITS,),
    Area.SYSTEM,
    (("limits", "has(object.spec.limits) && object.spec.limits != null ? object.spec.limits : []"),),
)
SCALERS: Final = Subject("scalers", (SCALER,), Area.APP)
BUDGETS: Final = Subject("budgets", (BUDGET,), Area.APP)
DATABASES: Final = Subject(
    "databases", (CLUSTER,), Area.DATA, (("access", "object.spec.?postgresql.pg_hba.orValue([])"),)
)
POOLERS: Final = Subject(
    "poolers",
    (POOLER,),
    Area.DATA,
    (
        (
            "containers",
            "object.spec.?template.spec.containers.orValue([]) + object.spec.?template.spec.initContainers.orValue([])",
        ),
    ),
)
CLAIMS: Final = Subject("claims", (CLAIM,), Area.APP, (("modes", "object.spec.?accessModes.orValue([])"),))
"""Volumes of files; those of databases are made by their operator, in `data`."""
KEPT: Final = Subject("kept", (CLUSTER, BACKUP, CLAIM), Area.SYSTEM)
# CloudNativePG makes jobs, services, roles and budgets of its own in `data`, and does not know our labels.
OWNED: Final = Subject(
    "owned",
    (
        *(DEPLOYMENT, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB, SERVICE, ROUTE, SCALER, BUDGET, CLAIM),
        *(ROLE, BINDING, NETWORK_POLICY, QUOTA, LIMITS, MIDDLEWARE),
    ),
    Area.APP,
)
OWNED_DATA: Final = Subject("owned-data", (CLUSTER, BACKUP, POOLER, NETWORK_POLICY, QUOTA, LIMITS), Area.DATA)
