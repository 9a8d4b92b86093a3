"""The kinds that each layer's stacks declare, and so the kinds that its identity may change.

A test renders every stack and compares, both ways: a kind that a stack declares and no table names, or one that a table
names and no stack declares, is a failure.
"""

from __future__ import annotations

from typing import Final

from infra.rules.subjects import (
    BACKUP,
    BINDING,
    BUDGET,
    CLAIM,
    CLUSTER,
    CONFIG_MAP,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    LIMITS,
    MIDDLEWARE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    POOLER,
    QUOTA,
    ROLE,
    ROUTE,
    SCALER,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)

GATEWAY: Final = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
CERTIFICATE: Final = Kind("cert-manager.io/v1", "Certificate", "certificates")
CLUSTER_ROLE: Final = Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles")
CLUSTER_BINDING: Final = Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings")
ADMISSION: Final = Kind("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
ADMISSION_BINDING: Final = Kind(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"
)

TENANCY: Final = (NAMESPACE, QUOTA, LIMITS, NETWORK_POLICY, ROLE, BINDING, SERVICE_ACCOUNT, MIDDLEWARE)
"""The ground of a system, in its namespaces; `platform` has these kinds in namespaces of its own too."""
PROGRAMS: Final = (SERVICE, CONFIG_MAP, DEPLOYMENT, STATEFUL_SET)
"""What the platform stack runs itself, and how it is found: monitoring."""
PLATFORM: Final = (
    *(kind for kind in TENANCY if kind is not MIDDLEWARE),
    *(GATEWAY, CERTIFICATE, ROUTE, CLUSTER_ROLE, CLUSTER_BINDING, ADMISSION, ADMISSION_BINDING),
    *PROGRAMS,
)
DATA: Final = (CLUSTER, BACKUP, POOLER, SERVICE, BUDGET)
FILES: Final = (CLAIM,)
"""What the stack data declares beside that, in `app` namespaces, where a system has volumes of files."""
SYSTEM: Final = (SERVICE_ACCOUNT, SERVICE, CONFIG_MAP, DEPLOYMENT, STATEFUL_SET, CRON_JOB, JOB, ROUTE, SCALER, BUDGET)
SECURITY: Final = (SERVICE_ACCOUNT, SERVICE, CONFIG_MAP, STATEFUL_SET, DAEMON_SET)
ALL: Final = tuple(dict.fromkeys((*TENANCY, *PLATFORM, *DATA, *FILES, *SECURITY, *SYSTEM)))

ISSUER: Final = Kind("cert-manager.io/v1", "Issuer", "issuers")
CLUSTER_ISSUER: Final = Kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers")
# What nobody declares and everyone who waits for a rollout, or looks for a fault, reads.
LOGS: Final = Kind("v1", "Pod", "pods/log")
EVENTS: Final = Kind("v1", "Event", "events")
REPLICA_SETS: Final = Kind("apps/v1", "ReplicaSet", "replicasets")
VOLUMES: Final = Kind("v1", "PersistentVolume", "persistentvolumes")
BACKUPS: Final = Kind("postgresql.cnpg.io/v1", "Backup", "backups")
RUNNING: Final = (POD, LOGS, EVENTS, REPLICA_SETS)
ASKED: Final = (
    Kind("v1", "Node", "nodes"),
    Kind("storage.k8s.io/v1", "StorageClass", "storageclasses"),
    Kind("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses"),
)
"""What `python -m infra.up` asks of a cluster before it writes."""
OF_THE_CLUSTER: Final = (
    BACKUPS,
    VOLUMES,
    *ASKED,
    Kind("v1", "Endpoints", "endpoints"),
    Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    Kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"),
    Kind("cert-manager.io/v1", "CertificateRequest", "certificaterequests"),
    ISSUER,
    CLUSTER_ISSUER,
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
    Kind("apiregistration.k8s.io/v1", "APIService", "apiservices"),
    Kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    Kind("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
)
"""What an auditor reads beside all that is declared. A kind of an operator that nobody declares is missing here."""
TOLD: Final = (*ALL, *RUNNING, *OF_THE_CLUSTER, SECRET)
"""What the nation is told by its name; every other kind is `other` to it."""
