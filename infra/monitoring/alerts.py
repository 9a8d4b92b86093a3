"""Every alert: when it fires, how urgent it is, what it says; nothing here knows a system by name.

What differs by system (its targets, its budget of errors, its objectives) are series of their own, made by
`infra.monitoring.objectives` from the catalogue, and an alert compares with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Document = dict[str, Any]
BACKUP_AGE_HOURS_MAX: Final = 26
"""Backups are nightly (`infra/components/postgres_cluster.py`); a slow one may take two hours."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One condition; every series of its result says of which system it speaks."""

    name: str
    expression: str
    lasts: str
    """For how long it must hold before anybody hears of it."""
    severity: Literal["page", "ticket"]
    """`page`: somebody gets up; `ticket`: somebody looks on the next working day."""
    summary: str

    def rule(self, runbooks: str) -> Document:
        """Return it as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook_url": f"{runbooks.rstrip('/')}/{self.name}.md"},
        }


_ERRORS: Final = "system:request_errors"
_BUDGET: Final = "dcshift_error_budget_ratio"


def _burns(long: str, short: str, times: str) -> str:
    """Return the condition of one speed: over the long window, and still now, which is the short one."""
    return " and on (system) ".join(
        f"{_ERRORS}:ratio{window} > on (system) {times} * {_BUDGET}" for window in (long, short)
    )


# Speeds and windows: Google, The Site Reliability Workbook, chapter "Alerting on SLOs", table 5-8.
_SERVICE: Final = (
    Alert(
        "ErrorBudgetBurnsFast", _burns("1h", "5m", "14.4"), "2m", "page",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of requests failed in the last hour; "
        "a month's budget is gone in two days",
    ),
    Alert(
        "ErrorBudgetBurns", _burns("6h", "30m", "6"), "15m", "page",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of requests failed in the last six hours; "
        "a month's budget is gone in five days",
    ),
    Alert(
        "ErrorBudgetWears", _burns("3d", "6h", "1"), "1h", "ticket",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of requests failed in the last three days; "
        "the month's budget will not last",
    ),
)  # fmt: skip
_ARCHIVER: Final = "cnpg_pg_stat_archiver"
_BACKUP: Final = "max by (system) (cnpg_collector_last_available_backup_timestamp)"
_INSTANCE: Final = "(system, instance)"
_DATABASE: Final = (
    Alert(
        "ArchiveFailing",
        f"max by (system) ({_ARCHIVER}_last_failed_time) > max by (system) ({_ARCHIVER}_last_archived_time)",
        "5m", "page",
        "{{ $labels.system }}: the log does not reach the archive: what is written now would be lost with the site",
    ),
    Alert(
        "ArchiveBehindObjective",
        'max by (system) (cnpg_collector_pg_wal_archive_status{value="ready"}) > 0 and on (system) '
        f"max by (system) ({_ARCHIVER}_seconds_since_last_archival) "
        "> on (system) dcshift_archive_wait_seconds_max",
        "5m", "page",
        "{{ $labels.system }}: finished log waits longer for the archive than may be lost",
    ),
    Alert(
        "BackupTooOld",
        f"{_BACKUP} > 0 and time() - {_BACKUP} > {BACKUP_AGE_HOURS_MAX * 3600}", "15m", "ticket",
        "{{ $labels.system }}: the newest backup is of {{ $value | humanizeTimestamp }}",
    ),
    # A database is born without one; its first night must have brought it.
    Alert(
        "BackupMissing", f"{_BACKUP} == 0", f"{BACKUP_AGE_HOURS_MAX}h", "page",
        "{{ $labels.system }}: there is no backup of the database at all",
    ),
    Alert(
        "ReplicationLags", "max by (system) (cnpg_pg_replication_lag) > 60", "5m", "ticket",
        "{{ $labels.system }}: a copy of the database is {{ $value | humanizeDuration }} behind",
    ),
    Alert(
        "ConnectionsNearLimit",
        f"max by (system) (sum by {_INSTANCE} (cnpg_backends_total) / on {_INSTANCE} "
        f'sum by {_INSTANCE} (cnpg_pg_settings_setting{{name="max_connections"}})) > 0.8',
        "5m", "page",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of the database's connections are taken",
    ),
    Alert(
        "VolumeNearlyFull",
        f"max by (system) (sum by {_INSTANCE} (cnpg_pg_database_size_bytes) + on {_INSTANCE} "
        f'sum by {_INSTANCE} (cnpg_collector_pg_wal{{value="size"}})) / on (system) dcshift_volume_bytes > 0.8',
        "15m", "page",
        "{{ $labels.system }}: data and log fill {{ $value | humanizePercentage }} of the database's volume",
    ),
)  # fmt: skip
_CERTIFICATE: Final = "certmanager_certificate"
_ENDS: Final = f"{_CERTIFICATE}_expiration_timestamp_seconds"
_EDGE: Final = (
    # Half of the time is gone that was left for a renewal: the certificate itself says how much that was.
    Alert(
        "CertificateExpiresSoon",
        f"{_ENDS} > 0 and {_ENDS} - time() < ({_ENDS} - {_CERTIFICATE}_renewal_timestamp_seconds) / 2", "15m", "ticket",
        "{{ $labels.system }}: certificate {{ $labels.name }} was not renewed and ends at "
        "{{ $value | humanizeTimestamp }}",
    ),
)  # fmt: skip
_NOT_DELIVERED: Final = ("alertmanager_notifications_failed_total", "prometheus_notifications_errors_total")
_ITSELF: Final = (
    # A target whose name leads nowhere has no `up` at all: what is declared is counted against what answers.
    Alert(
        "TargetDown",
        "dcshift_targets_declared > on (job, system) "
        "(sum by (job, system) (up) or dcshift_targets_declared * 0)",
        "2m", "page",
        "{{ $labels.system }}: fewer than the declared number of {{ $labels.job }} answer, {{ $value }}",
    ),
    Alert(
        "AlertsNotDelivered",
        " or ".join(f"sum by (system) (rate({name}[10m])) > 0" for name in _NOT_DELIVERED), "10m", "page",
        "{{ $labels.system }}: alerts do not reach the people they are for",
    ),
    Alert(
        "RulesFailing", "sum by (system) (increase(prometheus_rule_evaluation_failures_total[10m])) > 0", "10m", "page",
        "{{ $labels.system }}: a rule could not be evaluated, so its alert is silent",
    ),
)  # fmt: skip
ALERTS: Final = (*_SERVICE, *_DATABASE, *_EDGE, *_ITSELF)


def file(runbooks: str) -> Document:
    """Return the file of alerts; `runbooks` is where people read the page of each."""
    return {"groups": [{"name": "alerts", "rules": [alert.rule(runbooks) for alert in ALERTS]}]}
