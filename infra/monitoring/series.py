"""What is measured, each thing once: the expressions that alerts compare and dashboards show; pure.

Raw names are those of traefik 3.6, CloudNativePG, cert-manager, kube-state-metrics 2, Prometheus and Alertmanager.
Those with `system:` and `dcshift_` are recorded by `infra.monitoring.objectives`. Every expression says whose it is by
the label `system`.
"""

from __future__ import annotations

from typing import Final

from infra import naming
from infra.monitoring.targets import PLATFORM

REQUESTS: Final = "system:requests:rate5m"
ERRORS: Final = "system:request_errors:rate5m"
BUDGET: Final = "dcshift_error_budget_ratio"
ARCHIVE_WAIT_SECONDS_MAX: Final = "dcshift_archive_wait_seconds_max"
VOLUME_BYTES: Final = "dcshift_volume_bytes"
TARGETS_DECLARED: Final = "dcshift_targets_declared"
LOG_PROGRAM: Final = "dcshift_log_program"
DRILL_SECONDS_MAX: Final = "dcshift_drill_seconds_max"


def error_ratio(window: str) -> str:
    """Return the recorded part of requests that failed in a window."""
    return f"system:request_errors:ratio{window}"


# A sample each five minutes, as long as a rate is: all that were recorded in a month would be twenty times as many.
BUDGET_SPENT: Final = f"avg_over_time({ERRORS}[30d:5m]) / avg_over_time({REQUESTS}[30d:5m]) / on (system) {BUDGET}"
_OF_SYSTEMS: Final = f'system!="{PLATFORM}"'


def answers(by: str, codes: str | None = None) -> str:
    """Return how many requests of systems the gateway answers in a second."""
    chosen = _OF_SYSTEMS + (f',code=~"{codes}"' if codes else "")
    return f"sum by ({by}) (rate(traefik_router_requests_total{{{chosen}}}[5m]))"


def latency(quantile: float) -> str:
    """Return the seconds in which that part of the answers was there."""
    buckets = f"traefik_router_request_duration_seconds_bucket{{{_OF_SYSTEMS}}}"
    return f"histogram_quantile({quantile}, sum by (system, le) (rate({buckets}[5m])))"


def _largest(series: str) -> str:
    return f"max by (system) ({series})"


_INSTANCE: Final = "(system, instance)"
_ARCHIVER: Final = "cnpg_pg_stat_archiver"
LOG_BYTES: Final = 'cnpg_collector_pg_wal{value="size"}'
CONNECTIONS: Final = "sum by (system, state) (cnpg_backends_total)"
CONNECTIONS_RATIO: Final = _largest(
    f"sum by {_INSTANCE} (cnpg_backends_total) / on {_INSTANCE} "
    f'sum by {_INSTANCE} (cnpg_pg_settings_setting{{name="max_connections"}})'
)
VOLUME_RATIO: Final = (
    _largest(f"sum by {_INSTANCE} (cnpg_pg_database_size_bytes) + on {_INSTANCE} sum by {_INSTANCE} ({LOG_BYTES})")
    + f" / on (system) {VOLUME_BYTES}"
)
LAG_SECONDS: Final = _largest("cnpg_pg_replication_lag")
POOL_WAITING: Final = "sum by (system) (cnpg_pgbouncer_pools_cl_waiting)"
STREAMING_COPIES: Final = _largest("cnpg_pg_replication_streaming_replicas")
LOG_SIZE_BYTES: Final = _largest(LOG_BYTES)
LOG_WAITING_FILES: Final = _largest('cnpg_collector_pg_wal_archive_status{value="ready"}')
ARCHIVE_WAIT_SECONDS: Final = _largest(f"{_ARCHIVER}_seconds_since_last_archival")
ARCHIVED_TIME: Final = _largest(f"{_ARCHIVER}_last_archived_time")
ARCHIVE_FAILED_TIME: Final = _largest(f"{_ARCHIVER}_last_failed_time")
ARCHIVE_FAILURES: Final = _largest(f"increase({_ARCHIVER}_failed_count[1h])")
BACKUP_TIME: Final = _largest("cnpg_collector_last_available_backup_timestamp")

CERTIFICATE_END_TIME: Final = "certmanager_certificate_expiration_timestamp_seconds"
CERTIFICATE_RENEWAL_TIME: Final = "certmanager_certificate_renewal_timestamp_seconds"

_JOB: Final = "(system, namespace, job_name)"
JOBS_FAILED: Final = (
    # A failed job stays for days: what is a day old was looked at, or never will be.
    f'max by {_JOB} (kube_job_failed{{condition="true"}} == 1) '
    f"and on {_JOB} max by {_JOB} (time() - kube_job_status_start_time < 86400)"
)
RESTARTS: Final = "max by (system, namespace, pod, container) (increase(kube_pod_container_status_restarts_total[1h]))"
_SET, _NODES = ('kube_statefulset_status_replicas_ready{program!=""}', 'kube_daemonset_status_%s{program!=""}')
# Of the agents one on each node: a node without one sends nothing. The probe of each fails when its output stands
# still.
LOG_PROGRAMS_SILENT: Final = (
    f"{LOG_PROGRAM} unless on (program) ({_SET} > 0 or "
    f"{_NODES % 'number_ready'} >= {_NODES % 'desired_number_scheduled'})"
)

# Of a ConfigMap kube-state-metrics tells the time of its birth, and nothing that is written in it: each drill that was
# equal makes its mark anew.
_IN_DRILLS: Final = f'namespace="{naming.DRILLS}"'


def _marked(name: str) -> str:
    return _largest(f'kube_configmap_created{{{_IN_DRILLS},configmap=~"{name}"}}')


_BORN: Final = _largest(f'kube_namespace_created{{namespace=~"{naming.data_namespace(".+")}",{_OF_SYSTEMS}}}')
# Before its first drill a database is as long undrilled as its namespace is old.
_DRILLED_TIME: Final = f"({_marked(naming.drill_equal('.+'))} or {_BORN})"
DRILL_AGE: Final = f"(time() - {_DRILLED_TIME})"
DRILL_FAILED_TIME: Final = _marked(naming.drill_failed(".+"))
# Every namespace has one ConfigMap at least, with the cluster's authority: none at all, and nobody tells of any.
DRILLS_UNTOLD: Final = (
    f"{DRILL_SECONDS_MAX} unless on (system) ({_DRILLED_TIME} and on () kube_configmap_created{{{_IN_DRILLS}}})"
)

# A target whose name leads nowhere has no `up` at all: what is declared is counted against what answers.
TARGETS_ANSWERING: Final = f"(sum by (job, system) (up) or {TARGETS_DECLARED} * 0)"
NOT_DELIVERED: Final = {
    "to people": "sum by (system) (rate(alertmanager_notifications_failed_total[10m]))",
    "to Alertmanager": "sum by (system) (rate(prometheus_notifications_errors_total[10m]))",
}
RULE_FAILURES: Final = "sum by (system) (increase(prometheus_rule_evaluation_failures_total[10m]))"
FIRING: Final = 'sum by (system, alertname) (ALERTS{alertstate="firing"})'
