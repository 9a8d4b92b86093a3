"""Who may do what in a system's namespaces: people by their groups, the migration by its own account; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from catalogue.system import System
from infra import labels, naming

Rule = dict[str, Any]
_SEE: Final = ["get", "list", "watch"]
_CHANGE: Final = [*_SEE, "create", "update", "patch", "delete"]
AUDITORS: Final = "dcshift-auditors"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in one namespace and the one who has it."""

    tier: labels.Tier
    namespace: str
    name: str
    rules: list[Rule]
    subject: dict[str, str]


def grants(system: System) -> list[Grant]:
    """Return every grant of a system. Nobody but the migration reads a Secret, and that one only by name."""
    app, data = naming.app_namespace(system.id), naming.data_namespace(system.id)
    owners, migrator = _group(system.owner.group), _account(app)
    auditors, deployers = _group(AUDITORS), _group(f"{system.id}-deployers")
    return [
        Grant("app", app, "viewer", _VIEWER, owners),
        Grant("app", app, "operator", _OPERATOR, owners),
        # The system's own pipeline: what its stack declares, no rights, no network, no secrets.
        Grant("app", app, "deployer", _DEPLOYER, deployers),
        Grant("app", app, "auditor", _AUDITOR, auditors),
        Grant("app", app, naming.MIGRATOR, _migrator_app(system), migrator),
        Grant("data", data, "viewer", _DATA_VIEWER, owners),
        Grant("data", data, "auditor", [*_AUDITOR, *_DATA_VIEWER], auditors),
        Grant("data", data, naming.MIGRATOR, _migrator_data(system), migrator),
    ]


def _rule(group: str, resources: list[str], verbs: list[str], names: list[str] | None = None) -> Rule:
    rule: Rule = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return {**rule, "resourceNames": names} if names else rule


_RUNNING: Final = [
    _rule("", ["pods", "pods/log", "services", "events", "configmaps"], _SEE),
    _rule("apps", ["deployments", "replicasets"], _SEE),
    _rule("batch", ["cronjobs", "jobs"], _SEE),
    _rule("autoscaling", ["horizontalpodautoscalers"], _SEE),
    _rule("policy", ["poddisruptionbudgets"], _SEE),
    _rule("gateway.networking.k8s.io", ["httproutes"], _SEE),
]
_VIEWER: Final = _RUNNING
_OPERATOR: Final = [
    _rule("", ["pods"], ["delete"]),
    _rule("apps", ["deployments/scale"], ["get", "update", "patch"]),
    _rule("apps", ["deployments"], ["patch"]),
    _rule("batch", ["jobs"], ["create", "delete"]),
]
_DEPLOYER: Final = [
    *_RUNNING,
    _rule("", ["serviceaccounts", "services", "configmaps"], _CHANGE),
    _rule("apps", ["deployments"], _CHANGE),
    _rule("batch", ["cronjobs", "jobs"], _CHANGE),
    _rule("autoscaling", ["horizontalpodautoscalers"], _CHANGE),
    _rule("policy", ["poddisruptionbudgets"], _CHANGE),
    _rule("gateway.networking.k8s.io", ["httproutes"], _CHANGE),
]
_AUDITOR: Final = [
    *_RUNNING,
    _rule("", ["resourcequotas", "limitranges", "serviceaccounts"], _SEE),
    _rule("networking.k8s.io", ["networkpolicies"], _SEE),
    _rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], _SEE),
]
_DATA_VIEWER: Final = [
    _rule("", ["pods", "pods/log", "events", "persistentvolumeclaims"], _SEE),
    _rule("postgresql.cnpg.io", ["clusters", "backups", "scheduledbackups"], _SEE),
]


def _migrator_app(system: System) -> list[Rule]:
    secrets = [naming.bucket_secret(system.id, files.name) for files in system.files]
    return [
        _rule("", ["configmaps"], ["get"], [naming.CONTRACT]),
        _rule("", ["secrets"], ["get"], secrets),
        _rule("batch", ["cronjobs"], ["get", "list", "patch"]),
        # To tell the controller up to which slot the source has run a job.
        _rule("batch", ["cronjobs/status"], ["get", "patch"]),
        _rule("batch", ["jobs"], ["get", "list", "create", "delete"]),
        _rule("apps", ["deployments"], ["get", "list"]),
        _rule("apps", ["deployments/scale"], ["get", "patch", "update"]),
        _rule("", ["pods", "pods/log", "events"], ["get", "list"]),
        _rule("gateway.networking.k8s.io", ["httproutes"], ["get", "list"]),
    ]


def _migrator_data(system: System) -> list[Rule]:
    read = [naming.owner_secret(system.id), naming.migration_secret(system.id), naming.ca_secret(system.id)]
    # The migration keeps its own login at the source here; `create` cannot be limited to a name.
    own = [f"{system.id}-source-migration"]
    return [
        _rule("", ["secrets"], ["get"], read),
        _rule("", ["secrets"], ["get", "update", "patch", "delete"], own),
        _rule("", ["secrets"], ["create"]),
        _rule("", ["pods", "services", "endpoints"], ["get", "list"]),
        _rule("postgresql.cnpg.io", ["clusters"], ["get", "list"]),
    ]


def _group(name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def _account(namespace: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": naming.MIGRATOR, "namespace": namespace}
