"""Who may do what in a system's namespaces: people by their groups, programs by their own accounts; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from catalogue import volumes
from catalogue.system import System
from infra import labels, naming
from infra.answers import Answer
from infra.rights import identities
from infra.rights.rules import SEE, Rule, on, rule
from infra.rules.subjects import CLAIM

_DEPLOYER: Final = "Role httt-*-app/deployer"
ANSWERS: Final = (
    Answer(
        {"trivy": ("KSV048",)},
        (_DEPLOYER, "Role httt-*-app/operator", "Role httt-*-app/dcshift-migrator"),
        "Starting and changing workloads is what these are for: a pipeline deploys its own system, its owners "
        "restart it, the move arms its jobs; each in one namespace, and pod security refuses a pod with more "
        "rights than ours.",
    ),
    Answer(
        {"trivy": ("KSV049",)},
        (_DEPLOYER,),
        "A pipeline writes one ConfigMap, its system's contract, by name; `create` cannot be limited to a name.",
    ),
    Answer(
        {"trivy": ("KSV056",)},
        (_DEPLOYER, "Role httt-*-data/data"),
        "A pipeline has its own Service and route; `data` declares the Service of a database's metrics. Neither "
        "writes a network policy, and admission rules refuse a Service that opens a port to the outside.",
    ),
    Answer(
        {"trivy": ("KSV113",)},
        ("Role httt-*-app/dcshift-migrator", "Role httt-*-data/dcshift-migrator"),
        "The move reads the logins of one system by name, and keeps its own at the source in one Secret of that "
        "namespace; for other Secrets it can only create new ones.",
    ),
)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in one namespace and those who have it."""

    tier: labels.Tier
    namespace: str
    name: str
    rules: list[Rule]
    subjects: list[dict[str, str]]


def grants(system: System) -> list[Grant]:
    """Return every grant of a system. Nobody but the migration reads a Secret, and that one only by name."""
    app, data = naming.app_namespace(system.id), naming.data_namespace(system.id)
    owners, migrator = [identities.group(system.owner.group)], [identities.account(naming.MIGRATOR, app)]
    pipeline, database = identities.deploying(system), identities.DATA
    keeping = [Grant("app", app, database.name, identities.KEEPING_FILES, database.subjects)]
    seen = on([CLAIM], SEE) if volumes.of(system) else []
    return [
        Grant("app", app, identities.VIEWER, [*_VIEWER, *seen], owners),
        Grant("app", app, "operator", _OPERATOR, owners),
        Grant("app", app, "deployer", pipeline.rules, pipeline.subjects),
        Grant("app", app, naming.MIGRATOR, [*_migrator_app(system), *seen], migrator),
        *(keeping if volumes.of(system) else []),
        Grant("data", data, identities.VIEWER, _DATA_VIEWER, owners),
        Grant("data", data, database.name, database.rules, database.subjects),
        Grant("data", data, naming.MIGRATOR, _migrator_data(system), migrator),
    ]


_RUNNING: Final = [
    rule("", ["pods", "pods/log", "services", "events", "configmaps"], SEE),
    rule("apps", ["deployments", "replicasets", "statefulsets"], SEE),
    rule("batch", ["cronjobs", "jobs"], SEE),
    rule("autoscaling", ["horizontalpodautoscalers"], SEE),
    rule("policy", ["poddisruptionbudgets"], SEE),
    rule("gateway.networking.k8s.io", ["httproutes"], SEE),
]
_VIEWER: Final = _RUNNING
_OPERATOR: Final = [
    rule("", ["pods"], ["delete"]),
    rule("apps", ["deployments/scale", "statefulsets/scale"], ["get", "update", "patch"]),
    rule("apps", ["deployments", "statefulsets"], ["patch"]),
    rule("batch", ["jobs"], ["create", "delete"]),
]
_DATA_VIEWER: Final = [
    rule("", ["pods", "pods/log", "events", "persistentvolumeclaims"], SEE),
    rule("postgresql.cnpg.io", ["clusters", "backups", "scheduledbackups", "poolers"], SEE),
]


def _migrator_app(system: System) -> list[Rule]:
    secrets = [naming.bucket_secret(system.id, files.name) for files in volumes.buckets(system)]
    return [
        rule("", ["configmaps"], ["get"], [naming.CONTRACT]),
        *([rule("", ["secrets"], ["get"], secrets)] if secrets else []),
        rule("batch", ["cronjobs"], ["get", "list", "patch"]),
        # To tell the controller up to which slot the source has run a job.
        rule("batch", ["cronjobs/status"], ["get", "patch"]),
        rule("batch", ["jobs"], ["get", "list", "create", "delete"]),
        rule("apps", ["deployments", "statefulsets"], ["get", "list"]),
        rule("apps", ["deployments/scale", "statefulsets/scale"], ["get", "patch", "update"]),
        rule("", ["pods", "pods/log", "events"], ["get", "list"]),
        rule("gateway.networking.k8s.io", ["httproutes"], ["get", "list"]),
    ]


def _migrator_data(system: System) -> list[Rule]:
    read = [naming.owner_secret(system.id), naming.migration_secret(system.id), naming.ca_secret(system.id)]
    # The migration keeps its own login at the source here; `create` cannot be limited to a name.
    own = [f"{system.id}-source-migration"]
    return [
        rule("", ["secrets"], ["get"], read),
        rule("", ["secrets"], ["get", "update", "patch", "delete"], own),
        rule("", ["secrets"], ["create"]),
        rule("", ["pods", "services", "endpoints"], ["get", "list"]),
        rule("postgresql.cnpg.io", ["clusters"], ["get", "list"]),
    ]
