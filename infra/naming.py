"""Names of everything on the target, from ids alone; pure, and the same on every run: a changed name is a new thing."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from catalogue.system import Exposure

EDGE_CERTIFICATE: Final = "edge"
EDGE_SECRET: Final = "edge-tls"  # noqa: S105  a Secret's name
CONTRACT: Final = "dcshift-contract"
MIGRATOR: Final = "dcshift-migrator"
MIGRATION_ROLE: Final = "dcshift_migration"
RATE_LIMIT: Final = "rate-limit"
IDENTITIES: Final = "dcshift-identities"
DRILLS: Final = "dcshift-drills"
"""Namespace in which backups are restored for a trial; nothing in it outlives the trial."""
MONITORING: Final = "dcshift-monitoring"
"""Namespace of Prometheus and Alertmanager."""
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"
GATEWAY_METRICS: Final = "gateway-metrics"
CERTIFICATE_METRICS: Final = "certificate-metrics"
STATE_METRICS: Final = "cluster-state-metrics"
OPERATOR_METRICS: Final = "postgres-operator-metrics"
SECURITY_LOG: Final = "dcshift-security"
"""Namespace of the relay that sends the centre's security log out, and of nothing else."""
LOG_AGENTS: Final = "dcshift-log-agents"
"""Namespace of the programs that read the nodes' logs; the only one of ours that may see a node's files."""
LOG_RELAY: Final = "dcshift-log-relay"
LOG_NATIONAL: Final = "dcshift-log-national"
"""The connector: the only program that reaches the nation's monitoring, and it holds no line of the log itself."""
LOG_AGENT: Final = "dcshift-log-agent"
LOG_TLS: Final = "log-tls"
"""Secret of either end of the way from agent to relay, each in its own namespace."""
LOG_NATIONAL_TLS: Final = "log-national-tls"
"""Secret of the connector's end of the way from the relay."""
SOC_TLS: Final = "soc-tls"
"""Secret with what the monitoring centre gave us: tls.crt and tls.key, and its ca.crt."""
NATIONAL_TLS: Final = "national-tls"
PLATFORM: Final = "platform"
TENANCY: Final = "tenancy"
DATA: Final = "data"
DRILL: Final = "drill"
SECURITY: Final = "security"
AUDITOR: Final = "auditor"
BREAK_GLASS: Final = "break-glass"
_LENGTH_MAX: Final = 63


def edge(exposure: Exposure) -> str:
    """Return the Gateway of a zone. The internet's keeps the name of the only one: another would drop its routes."""
    return "edge" if exposure == "internet" else f"edge-{exposure}"


def app_namespace(system: str) -> str:
    return f"httt-{system}-app"


def data_namespace(system: str) -> str:
    return f"httt-{system}-data"


def cluster(system: str) -> str:
    return f"{system}-db"


def database_host(system: str) -> str:
    """Return the name of the read-write service inside the cluster."""
    return host(f"{cluster(system)}-rw", data_namespace(system))


def database_metrics(system: str) -> str:
    """Return the Service whose name leads to the metrics of every instance."""
    return f"{cluster(system)}-metrics"


def pooler(system: str) -> str:
    """Return the pool of connections: a Pooler, and what the operator makes of it, a Deployment and a Service."""
    return f"{cluster(system)}-pooler"


def pooler_host(system: str) -> str:
    return host(pooler(system), data_namespace(system))


def pooler_metrics(system: str) -> str:
    """Return the Service whose name leads to the metrics of every pooler."""
    return f"{pooler(system)}-metrics"


def host(service: str, namespace: str) -> str:
    """Return the name of a Service inside the cluster."""
    return f"{service}.{namespace}.svc.cluster.local"


def owner_secret(system: str) -> str:
    """Return the Secret with the database owner's name and password; the same in both namespaces."""
    return f"{cluster(system)}-app"


def migration_secret(system: str) -> str:
    return f"{cluster(system)}-migration"


def ca_secret(system: str) -> str:
    """Return the Secret in which CloudNativePG keeps the cluster's authority."""
    return f"{cluster(system)}-ca"


def web(system: str) -> str:
    return f"{system}-web"


def web_secret(system: str) -> str:
    """Return the Secret with what only the web application knows: its signing key."""
    return f"{system}-web"


def deploy_identity(system: str) -> str:
    """Return the identity of one system's pipeline."""
    return f"deploy-{system}"


def identity_user(identity: str) -> str:
    """Return the name by which the API server knows an identity's token."""
    return f"system:serviceaccount:{IDENTITIES}:{identity}"


def identity_group(identity: str) -> str:
    """Return the group whose people have an identity of the whole centre."""
    return f"dcshift-{identity}s" if identity == AUDITOR else f"dcshift-{identity}"


def deployers_group(system: str) -> str:
    """Return the group whose pipelines have the identity that deploys one system."""
    return f"{system}-deployers"


def jobs_account(system: str) -> str:
    return f"{system}-jobs"


def worker(system: str, name: str) -> str:
    """Return a worker's StatefulSet; the controller appends 11 characters to it in a label."""
    return bounded(f"{system}-worker-{name}", 52)


def workers_account(system: str) -> str:
    return f"{system}-workers"


def schema_account(system: str) -> str:
    return f"{system}-schema"


def job(system: str, name: str) -> str:
    """Return a CronJob's name; the controller appends 11 characters to it and 63 is the limit."""
    return bounded(f"{system}-{name}", 52)


def schema_migration(system: str, release: str) -> str:
    return bounded(f"{system}-migrate-{_folded(release)}")


def bucket(province: str, environment: str, system: str, name: str) -> str:
    return bounded(f"{province}-{environment}-{system}-{name}")


def bucket_secret(system: str, name: str) -> str:
    """Return the Secret with the keys that open this one bucket."""
    return bounded(f"{system}-s3-{name}")


def claim(system: str, name: str) -> str:
    """Return the claim of the volume that a set of files lies on; in the `app` namespace, whose pods open it."""
    return bounded(f"{system}-files-{name}")


def backup_bucket(province: str, environment: str, system: str) -> str:
    """Return the bucket of one system's backups; the prefix is what a store's rules for backups can name."""
    return bounded(f"backup-{province}-{environment}-{system}")


def backup_secret(system: str) -> str:
    """Return the Secret with the keys by which the database writes its backups; in the data namespace."""
    return bounded(f"{system}-s3-backup")


def restore_secret(system: str) -> str:
    """Return the Secret with keys that can only read one system's backups; in the namespace of drills."""
    return bounded(f"{system}-s3-restore")


def drill_record(system: str) -> str:
    """Return the ConfigMap in which `dcshift drill` writes down what it found; called as its scratch database is."""
    return f"{system}-drill"


def drill_equal(system: str) -> str:
    """Return the ConfigMap that is made anew by each drill that was equal: its own age is what an alert asks for."""
    return f"{drill_record(system)}-equal"


def drill_failed(system: str) -> str:
    """Return the ConfigMap that is there as long as the last drill of a system had failed."""
    return f"{drill_record(system)}-failed"


def scratch_ca_secret(system: str) -> str:
    """Return the Secret in which CloudNativePG keeps the authority of a system's restored database."""
    return f"{system}-drill-ca"


def logical(system: str, kind: str, name: str) -> str:
    """Return the name by which Pulumi knows a resource, for ever; to change one needs an alias."""
    return f"{system}/{kind}/{name}"


def bounded(name: str, length_max: int = _LENGTH_MAX) -> str:
    """Return a name no longer than allowed: a longer one ends in eight characters of its own hash."""
    if len(name) <= length_max:
        return name
    return f"{name[: length_max - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
