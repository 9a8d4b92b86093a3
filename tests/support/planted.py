"""For each rule of one object, what makes a good object break it; and random spoiling of any object."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]
DROP: Final = object()
_POD: Final = "spec.template.spec"
_WEB: Final = f"{_POD}.containers.0"
_JOB: Final = "spec.jobTemplate.spec.template.spec"
_SYSTEM: Final = "dcshift.gov.vn/he-thong"
_POOL: Final = "dcshift.gov.vn/nhom-may"
_ENCRYPTED_ONLY: Final = "hostnossl all all all reject"
_LIMIT: Final = {
    "type": "ExtensionRef",
    "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": "rate-limit"},
}


@dataclass(frozen=True)
class Plant:
    """One change of one kind of object: a path (parted by `|` where a key has dots) and the new value."""

    kind: str
    path: str
    value: Any

    def into(self, document: Document) -> Document:
        """Return the object with this in it."""
        made = copy.deepcopy(document)
        steps = self.path.split("|") if "|" in self.path else self.path.split(".")
        parent: Any = made
        for step in steps[:-1]:
            parent = parent[int(step)] if isinstance(parent, list) else parent.setdefault(step, {})
        last = steps[-1]
        if self.value is DROP:
            parent.pop(last, None)
        elif isinstance(parent, list):
            parent[int(last)] = copy.deepcopy(self.value)
        else:
            parent[last] = copy.deepcopy(self.value)
        return made


def _label(name: str) -> str:
    return f"metadata|labels|{name}"


PLANTS: Final[dict[str, tuple[Plant, ...]]] = {
    "namespace-restricted": (
        Plant("Namespace", _label("pod-security.kubernetes.io/enforce"), "baseline"),
        Plant("Namespace", _label("pod-security.kubernetes.io/warn"), DROP),
    ),
    "namespace-pins-version": (Plant("Namespace", _label("pod-security.kubernetes.io/audit-version"), "latest"),),
    "namespace-named-after-system": (
        Plant("Namespace", _label(_SYSTEM), DROP),
        Plant("Namespace", "metadata.name", "httt-other-app"),
        Plant("Namespace", "metadata.name", "other"),
    ),
    "namespace-says-whose": (
        Plant("Namespace", _label("dcshift.gov.vn/cap-do"), "6"),
        Plant("Namespace", _label("dcshift.gov.vn/chu-quan"), DROP),
    ),
    "quota-complete": (
        Plant("ResourceQuota", "spec|hard|limits.cpu", DROP),
        Plant("ResourceQuota", "spec|hard|limits.ephemeral-storage", DROP),
        Plant("ResourceQuota", "spec|hard|services.nodeports", "1"),
        Plant("ResourceQuota", "spec.hard", DROP),
    ),
    "storage-bounded": (
        Plant("ResourceQuota", "spec|hard|persistentvolumeclaims", DROP),
        Plant("ResourceQuota", "spec.hard", {"pods": "9", "persistentvolumeclaims": "1"}),
        Plant("ResourceQuota", "spec.hard", {"pods": "9", "requests.storage": "9Gi"}),
    ),
    "limits-complete": (
        Plant("LimitRange", "spec.limits.0.max", DROP),
        Plant("LimitRange", "spec.limits.0.max.cpu", DROP),
        Plant("LimitRange", "spec.limits", []),
    ),
    "disk-bounded-not-requested": (
        Plant("LimitRange", "spec.limits.0.max.ephemeral-storage", DROP),
        Plant("LimitRange", "spec.limits.0.defaultRequest.ephemeral-storage", DROP),
        Plant("LimitRange", "spec.limits.0.defaultRequest.ephemeral-storage", "1Gi"),
        Plant("LimitRange", "spec.limits.0.defaultRequest", DROP),
    ),
    "objects-say-whose": (
        Plant("Deployment", _label(_SYSTEM), "other"),
        Plant("Service", _label("dcshift.gov.vn/chu-quan"), DROP),
        Plant("CronJob", _label("dcshift.gov.vn/cap-do"), "9"),
        Plant("PersistentVolumeClaim", _label(_SYSTEM), DROP),
        Plant("Role", "metadata.labels", DROP),
    ),
    "data-says-whose": (
        Plant("Cluster", _label(_SYSTEM), DROP),
        Plant("ScheduledBackup", _label("dcshift.gov.vn/du-lieu"), DROP),
        Plant("Pooler", _label(_SYSTEM), "other"),
    ),
    "run-as-non-root": (
        Plant("Deployment", f"{_POD}.securityContext.runAsNonRoot", DROP),
        Plant("Pod", "spec.securityContext.runAsUser", 0),
        Plant("CronJob", f"{_JOB}.initContainers.0.securityContext.runAsNonRoot", False),
        Plant("Job", f"{_WEB}.securityContext.runAsUser", 0),
    ),
    "no-privilege-escalation": (
        Plant("Deployment", f"{_WEB}.securityContext.allowPrivilegeEscalation", DROP),
        Plant("Job", f"{_POD}.initContainers.0.securityContext.allowPrivilegeEscalation", True),
        Plant("Pod", "spec.containers.0.securityContext", {"privileged": True}),
    ),
    "drop-all-capabilities": (
        Plant("Deployment", f"{_WEB}.securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
        Plant("Pod", "spec.containers.0.securityContext.capabilities.drop", ["NET_RAW"]),
    ),
    "read-only-root": (Plant("CronJob", f"{_JOB}.containers.0.securityContext.readOnlyRootFilesystem", False),),
    "seccomp-default": (
        Plant("Deployment", f"{_POD}.securityContext.seccompProfile", DROP),
        Plant("Pod", "spec.containers.0.securityContext.seccompProfile", {"type": "Unconfined"}),
    ),
    "requests-and-limits": (
        Plant("Deployment", f"{_WEB}.resources.limits.cpu", DROP),
        Plant("CronJob", f"{_JOB}.initContainers.0.resources", DROP),
        Plant("Job", f"{_WEB}.resources.requests", DROP),
    ),
    "image-of-registry": (
        Plant("Deployment", f"{_WEB}.image", "docker.io/library/nginx:1.27"),
        Plant("Pod", "spec.containers.0.image", "dcshift.local/portal"),
        Plant("Job", f"{_WEB}.image", "dcshift.local/portal:latest"),
    ),
    "image-by-digest": (Plant("Deployment", f"{_WEB}.image", "dcshift.local/portal:5.2.8"),),
    "no-host-namespaces": (
        Plant("Deployment", f"{_POD}.hostNetwork", True),
        Plant("Pod", "spec.hostPID", True),
        Plant("CronJob", f"{_JOB}.hostIPC", True),
    ),
    "no-host-ports": (
        Plant("Deployment", f"{_WEB}.ports", [{"containerPort": 8000, "hostPort": 80}]),
        Plant("Pod", "spec.containers.0.ports", [{"containerPort": 8000, "hostPort": 8000}]),
    ),
    "no-host-volumes": (
        Plant("Deployment", f"{_POD}.volumes.0", {"name": "tmp", "hostPath": {"path": "/"}}),
        Plant("Pod", "spec.volumes.0", {"name": "tmp", "nfs": {"server": "files1", "path": "/srv"}}),
    ),
    "no-account-token": (
        Plant("Deployment", f"{_POD}.automountServiceAccountToken", DROP),
        Plant("Pod", "spec.automountServiceAccountToken", True),
        Plant(
            "CronJob",
            f"{_JOB}.volumes.0",
            {"name": "tmp", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ),
    ),
    "own-account": (
        Plant("Deployment", f"{_POD}.serviceAccountName", DROP),
        Plant("Job", f"{_POD}.serviceAccountName", "default"),
    ),
    "no-secret-in-environment": (
        Plant("Deployment", f"{_WEB}.env", [{"name": "PGPASSWORD", "value": "x"}]),
        Plant("Pod", "spec.containers.0.env", [{"name": "S3_SECRET_KEY", "value": "x"}]),
    ),
    "pods-say-whose": (
        Plant("Deployment", f"spec|template|metadata|labels|{_SYSTEM}", "other"),
        Plant("Job", "spec.template.metadata", DROP),
        Plant("Pod", "metadata.labels", DROP),
    ),
    "probes": (
        Plant("Deployment", f"{_WEB}.readinessProbe", DROP),
        Plant("Deployment", f"{_WEB}.startupProbe", DROP),
        Plant("StatefulSet", f"{_WEB}.livenessProbe", DROP),
    ),
    "release-without-gap": (
        Plant("Deployment", "spec.strategy.rollingUpdate.maxUnavailable", "25%"),
        Plant("Deployment", "spec.strategy", {"type": "Recreate"}),
        Plant("Deployment", "spec.strategy", DROP),
    ),
    "spread-over-hosts": (
        Plant("Deployment", f"{_POD}.topologySpreadConstraints", DROP),
        Plant("Deployment", f"{_POD}.topologySpreadConstraints", [{"topologyKey": "rack", "maxSkew": 1}]),
        Plant("StatefulSet", f"{_POD}.topologySpreadConstraints", DROP),
    ),
    "spread-over-zones": (
        Plant("Deployment", f"{_POD}.topologySpreadConstraints", DROP),
        Plant("Deployment", f"{_POD}.topologySpreadConstraints.0.whenUnsatisfiable", "ScheduleAnyway"),
    ),
    "budget-lets-drain": (
        Plant("PodDisruptionBudget", "spec.maxUnavailable", 0),
        Plant("PodDisruptionBudget", "spec", {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}),
    ),
    "replicas-of-level": (
        Plant("HorizontalPodAutoscaler", "spec.minReplicas", 1),
        Plant("HorizontalPodAutoscaler", "spec.minReplicas", DROP),
    ),
    "one-run-at-a-time": (
        Plant("CronJob", "spec.concurrencyPolicy", "Replace"),
        Plant("CronJob", "spec.concurrencyPolicy", DROP),
    ),
    "missed-runs-lapse": (Plant("CronJob", "spec.startingDeadlineSeconds", DROP),),
    "job-ends": (
        Plant("CronJob", "spec.jobTemplate.spec.activeDeadlineSeconds", DROP),
        Plant("Job", "spec.activeDeadlineSeconds", DROP),
    ),
    "schedule-says-its-zone": (Plant("CronJob", "spec.timeZone", DROP),),
    "services-inside": (Plant("Service", "spec.type", "NodePort"), Plant("Service", "spec.type", "LoadBalancer")),
    "no-external-addresses": (Plant("Service", "spec.externalIPs", ["203.0.113.5"]),),
    "route-of-domain": (
        Plant("HTTPRoute", "spec.hostnames", ["dichvucong.example.org"]),
        Plant("HTTPRoute", "spec.hostnames", DROP),
    ),
    "route-of-own-host": (Plant("HTTPRoute", "spec.hostnames", ["other.khanhhoa.example"]),),
    "route-through-edge": (
        Plant("HTTPRoute", "spec.parentRefs.0.sectionName", "http"),
        Plant("HTTPRoute", "spec.parentRefs.0.namespace", "httt-portal-app"),
        Plant("HTTPRoute", "spec.parentRefs", DROP),
    ),
    "route-at-its-zone": (
        Plant("HTTPRoute", "spec.parentRefs.0.name", "edge-internal"),
        Plant(
            "HTTPRoute",
            "spec.parentRefs",
            [
                {"name": name, "namespace": "dcshift-edge", "sectionName": "https"}
                for name in ("edge", "edge-government-network")
            ],
        ),
    ),
    "route-is-limited": (
        Plant("HTTPRoute", "spec.rules", DROP),
        Plant("HTTPRoute", "spec.rules.0.filters", DROP),
        Plant("HTTPRoute", "spec.rules.0.filters.0.extensionRef.name", "other"),
        Plant("HTTPRoute", "spec.rules.0.filters.0.extensionRef.group", "example.org"),
        Plant("HTTPRoute", "spec.rules.0.filters.0.extensionRef.kind", "TraefikService"),
        Plant("HTTPRoute", "spec.rules.0.filters.0.type", "RequestMirror"),
        Plant("HTTPRoute", "spec.rules", [{"filters": [_LIMIT]}, {"backendRefs": [{"name": "portal-web"}]}]),
    ),
    "limit-of-each-client": (
        Plant("Middleware", "spec", {"redirectRegex": {"regex": ".*", "replacement": "https://example.org"}}),
        Plant("Middleware", "spec.headers", {"sslRedirect": True}),
        Plant("Middleware", "spec.rateLimit.average", 0),
        Plant("Middleware", "spec.rateLimit.average", DROP),
        Plant("Middleware", "spec.rateLimit.sourceCriterion", {"requestHost": True}),
        Plant("Middleware", "spec.rateLimit.sourceCriterion", DROP),
    ),
    "route-to-own-services": (Plant("HTTPRoute", "spec.rules.0.backendRefs.0.namespace", "httt-other-app"),),
    "no-whole-internet": (
        Plant("NetworkPolicy", "spec.egress", [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}]),
        Plant("NetworkPolicy", "spec.ingress", [{"from": [{"ipBlock": {"cidr": "::/1"}}], "ports": [{"port": 443}]}]),
    ),
    "openings-name-peers": (
        Plant("NetworkPolicy", "spec.ingress", [{"ports": [{"port": 443}]}]),
        Plant("NetworkPolicy", "spec.egress", [{"to": [], "ports": [{"port": 443}]}]),
    ),
    "openings-name-ports": (
        Plant("NetworkPolicy", "spec.egress", [{"to": [{"podSelector": {}}]}]),
        Plant("NetworkPolicy", "spec.egress", [{"to": [{"podSelector": {}}], "ports": [{"protocol": "UDP"}]}]),
    ),
    "no-every-namespace": (
        Plant(
            "NetworkPolicy", "spec.ingress", [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 8000}]}]
        ),
    ),
    "no-wildcard-rights": (
        Plant("Role", "rules", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]),
        Plant("Role", "rules", [{"apiGroups": [""], "resources": ["*/scale"], "verbs": ["get"]}]),
        Plant("Role", "rules", [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]),
    ),
    "secrets-by-name": (
        Plant("Role", "rules", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]),
        Plant(
            "Role",
            "rules",
            [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"], "resourceNames": ["one"]}],
        ),
    ),
    "no-escalation": tuple(
        Plant("Role", "rules", [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["x"], "verbs": [verb]}])
        for verb in ("escalate", "bind", "impersonate")
    ),
    "rights-are-read-only": (
        Plant("Role", "rules", [{"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["patch"]}]),
        Plant("Role", "rules", [{"apiGroups": ["traefik.io"], "resources": ["middlewares"], "verbs": ["create"]}]),
    ),
    "no-entering-pods": (
        Plant("Role", "rules", [{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["create"]}]),
    ),
    "binding-of-own-role": (
        Plant(
            "RoleBinding",
            "roleRef",
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        ),
    ),
    "binding-to-nobody-unnamed": tuple(
        Plant("RoleBinding", "subjects", [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}])
        for kind, name in (
            ("User", "system:anonymous"),
            ("Group", "system:authenticated"),
            ("Group", "system:serviceaccounts:kube-system"),
            ("User", "system:serviceaccount:dcshift-identities:tenancy"),
        )
    ),
    "binding-to-own-accounts": tuple(
        Plant("RoleBinding", "subjects", [{"kind": "ServiceAccount", "name": name, "namespace": namespace}])
        for name, namespace in (
            ("x", "httt-other-app"),
            ("tenancy", "dcshift-identities"),
            ("deploy-harbour", "dcshift-identities"),
        )
    ),
    "accounts-without-token": (Plant("ServiceAccount", "automountServiceAccountToken", DROP),),
    "no-secret-in-settings": (
        Plant("ConfigMap", "data", {"DB_PASSWORD": "x"}),
        Plant("ConfigMap", "data", {"key.pem": "-----BEGIN PRIVATE KEY-----"}),
    ),
    "database-instances-of-level": (
        Plant("Cluster", "spec.instances", 1),
        Plant("Cluster", "spec.instances", DROP),
    ),
    "database-apart": (
        Plant("Cluster", "spec.affinity", DROP),
        Plant("Cluster", "spec.affinity.podAntiAffinityType", "preferred"),
        Plant("Cluster", "spec.affinity.enablePodAntiAffinity", False),
        Plant("Cluster", "spec.affinity.topologyKey", "rack"),
        Plant("Cluster", "spec.topologySpreadConstraints", DROP),
        Plant("Cluster", "spec.topologySpreadConstraints.0.whenUnsatisfiable", "ScheduleAnyway"),
    ),
    "own-nodes": (
        Plant("Deployment", f"{_POD}.nodeSelector", {_POOL: "other"}),
        Plant("CronJob", f"{_JOB}.tolerations", [{"operator": "Exists"}]),
        Plant("StatefulSet", f"{_POD}.tolerations", [{"key": _POOL, "operator": "Exists"}]),
        Plant("Deployment", f"{_POD}.tolerations", [{"key": _POOL, "value": "other"}]),
        Plant("Deployment", f"{_POD}.nodeName", "node-1"),
    ),
    "database-own-nodes": (
        Plant("Cluster", "spec.affinity.nodeSelector", {_POOL: "other"}),
        Plant("Cluster", "spec.affinity.tolerations", [{"operator": "Exists"}]),
        Plant("Cluster", "spec.affinity.tolerations", [{"key": _POOL, "value": "other"}]),
    ),
    "pooler-own-nodes": (
        Plant("Pooler", "spec.template.spec.nodeSelector", {_POOL: "other"}),
        Plant("Pooler", "spec.template.spec.tolerations", [{"key": _POOL, "operator": "Exists"}]),
    ),
    "database-follows-as-asked": (
        Plant("Cluster", "spec.postgresql.synchronous", DROP),
        Plant("Cluster", "spec.postgresql.synchronous.number", 0),
        Plant("Cluster", "spec.postgresql.synchronous.dataDurability", "preferred"),
    ),
    "database-budget": (Plant("Cluster", "spec.enablePDB", False),),
    "database-on-kept-volumes": (
        Plant("Cluster", "spec.storage.storageClass", "standard"),
        Plant("Cluster", "spec.storage.storageClass", DROP),
    ),
    "files-on-class-of-access": (
        Plant("PersistentVolumeClaim", "spec.storageClassName", "standard"),
        Plant("PersistentVolumeClaim", "spec.storageClassName", DROP),
        Plant("PersistentVolumeClaim", "spec.accessModes", ["ReadWriteOnce"]),
        Plant("PersistentVolumeClaim", "spec.accessModes", ["ReadWriteMany", "ReadOnlyMany"]),
        Plant("PersistentVolumeClaim", "spec.accessModes", DROP),
    ),
    "files-born-empty": (
        Plant("PersistentVolumeClaim", "spec.volumeName", "pv-1"),
        Plant("PersistentVolumeClaim", "spec.dataSource", {"kind": "PersistentVolumeClaim", "name": "other"}),
    ),
    "database-image-of-registry": (
        Plant("Cluster", "spec.imageName", "ghcr.io/cloudnative-pg/postgresql:17"),
        Plant("Cluster", "spec.imageName", DROP),
    ),
    "database-born-empty": (
        Plant("Cluster", "spec.bootstrap.recovery", {"source": "portal-db"}),
        Plant("Cluster", "spec.bootstrap.pg_basebackup", {"source": "portal-db"}),
        Plant("Cluster", "spec.bootstrap.pg_basebackup", {"source": "dcshift-seed"}),
        Plant("Cluster", "spec.externalClusters", [{"name": "portal-db"}]),
    ),
    "database-without-superuser": (
        Plant("Cluster", "spec.enableSuperuserAccess", True),
        Plant("Cluster", "spec.managed.roles.0.superuser", True),
    ),
    "database-speaks-tls-only": (
        Plant("Cluster", "spec.postgresql.pg_hba", DROP),
        Plant("Cluster", "spec.postgresql.pg_hba", []),
        Plant("Cluster", "spec.postgresql.pg_hba", ["host all all all scram-sha-256", _ENCRYPTED_ONLY]),
        Plant("Cluster", "spec.postgresql.pg_hba", ["hostssl all all all scram-sha-256 \\", _ENCRYPTED_ONLY]),
        Plant("Cluster", "spec.postgresql.pg_hba", [_ENCRYPTED_ONLY, "host replication all all trust"]),
        Plant("Cluster", "spec.postgresql.pg_hba", [_ENCRYPTED_ONLY, "hostssl a a all md5\nhost all a all md5"]),
        Plant("Cluster", "spec.postgresql.pg_hba.0", "hostnossl portal all all reject"),
    ),
    "database-requests-and-limits": (Plant("Cluster", "spec.resources.limits", DROP),),
    "pooler-instances-of-level": (Plant("Pooler", "spec.instances", 1), Plant("Pooler", "spec.instances", DROP)),
    "pooler-image-of-registry": (
        Plant("Pooler", "spec.pgbouncer.image", "ghcr.io/cloudnative-pg/pgbouncer:1.25.1"),
        Plant("Pooler", "spec.pgbouncer.image", DROP),
        Plant("Pooler", "spec.template.spec.containers.0.image", "dcshift.local/pgbouncer:1"),
        Plant("Pooler", "spec.template.spec.initContainers", [{"name": "first", "image": "elsewhere.example/x:1"}]),
    ),
    "pooler-requests-and-limits": (
        Plant("Pooler", "spec.template.spec.containers.0.resources.limits", DROP),
        Plant("Pooler", "spec.template", DROP),
    ),
    "pooler-encrypted": (
        Plant("Pooler", "spec.pgbouncer.parameters.client_tls_sslmode", "prefer"),
        Plant("Pooler", "spec.pgbouncer.parameters", DROP),
    ),
}  # fmt: skip

_TEXTS: Final = (
    "", "x", "default", "latest", "*", "list", "app", "data", "lab", "3", "0", "NodePort", "ClusterIP", "Allow",
    "system:authenticated", "0.0.0.0/0", "10.0.0.0/7", "httt-portal-app", "Localhost", "ClusterRole", "100m",
    "secrets", "pods/exec", "dcshift.local/portal:latest", "PASSWORD",
)  # fmt: skip
_NUMBERS: Final = (0, 1, 2, 7, 10001)


def spoilt(document: Document, dice: random.Random) -> Document:
    """Return the object after one to three changes: a plant for its kind, or anything at a random place."""
    made = copy.deepcopy(document)
    plants = [each for group in PLANTS.values() for each in group if each.kind == document["kind"]]
    for _ in range(dice.choice((1, 1, 2, 3))):
        if plants and dice.random() < 0.4:
            try:
                made = dice.choice(plants).into(made)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                continue  # an earlier change took away what this one is planted in
        else:
            _change(made, dice)
    return made


def _places(value: Any, inside: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys: Sequence[Any] = (
        list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [place for key in keys for place in ((*inside, key), *_places(value[key], (*inside, key)))]


def _change(document: Document, dice: random.Random) -> None:
    # Without these it is another object, or none.
    fixed = {("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace"), ("spec",)}
    places = [place for place in _places(document) if place not in fixed]
    if not places:
        return
    *way, last = dice.choice(places)
    parent: Any = document
    for step in way:
        parent = parent[step]
    value = parent[last]
    if dice.random() < 0.35:
        del parent[last]
    elif isinstance(value, bool):
        parent[last] = not value
    elif isinstance(value, int):
        parent[last] = dice.choice(_NUMBERS)
    elif isinstance(value, str):
        parent[last] = dice.choice(_TEXTS)
    elif isinstance(value, list) and value:
        parent[last] = dice.choice(([], value + copy.deepcopy(value[:1]), value[1:]))
    else:
        parent[last] = type(value)()
