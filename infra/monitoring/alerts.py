"""Every alert: when it fires, how urgent it is, what it says; nothing here knows a system by name.

What differs by system (its targets, its budget of errors, its objectives) are series of their own, made by
`infra.monitoring.objectives` from the catalogue, and an alert compares with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from infra.monitoring import series

Document = dict[str, Any]
BACKUP_AGE_SECONDS_MAX: Final = 26 * 3600
"""Backups are nightly (`infra/components/postgres_cluster.py`); a slow one may take two hours."""
LAG_SECONDS_MAX: Final = 60
CONNECTIONS_RATIO_MAX: Final = 0.8
VOLUME_RATIO_MAX: Final = 0.8
RESTARTS_MAX: Final = 3
"""In an hour: a release restarts a container once, a node that goes twice."""


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
            "annotations": {"summary": self.summary, "runbook_url": runbook(self.name, runbooks)},
        }


SPEEDS: Final = {
    "ErrorBudgetBurnsFast": ("1h", "5m", 14.4),
    "ErrorBudgetBurns": ("6h", "30m", 6),
    "ErrorBudgetWears": ("3d", "6h", 1),
}
"""Long and short window, and how many times too fast the budget burns; Google, The Site Reliability Workbook, chapter
"Alerting on SLOs", table 5-8."""


def _burns(alert: str) -> str:
    """Return the condition of one speed: over the long window, and still now, which is the short one."""
    *windows, times = SPEEDS[alert]
    return " and on (system) ".join(
        f"{series.error_ratio(window)} > on (system) {times} * {series.BUDGET}" for window in windows
    )


_SERVICE: Final = (
    Alert(
        "ErrorBudgetBurnsFast", _burns("ErrorBudgetBurnsFast"), "2m", "page",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of requests failed in the last hour; "
        "a month's budget is gone in two days",
    ),
    Alert(
        "ErrorBudgetBurns", _burns("ErrorBudgetBurns"), "15m", "page",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of requests failed in the last six hours; "
        "a month's budget is gone in five days",
    ),
    Alert(
        "ErrorBudgetWears", _burns("ErrorBudgetWears"), "1h", "ticket",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of requests failed in the last three days; "
        "the month's budget will not last",
    ),
)  # fmt: skip
_DATABASE: Final = (
    Alert(
        "ArchiveFailing", f"{series.ARCHIVE_FAILED_TIME} > {series.ARCHIVED_TIME}", "5m", "page",
        "{{ $labels.system }}: the log does not reach the archive: what is written now would be lost with the site",
    ),
    Alert(
        "ArchiveBehindObjective",
        f"{series.LOG_WAITING_FILES} > 0 and on (system) {series.ARCHIVE_WAIT_SECONDS} "
        f"> on (system) {series.ARCHIVE_WAIT_SECONDS_MAX}",
        "5m", "page",
        "{{ $labels.system }}: finished log waits longer for the archive than may be lost",
    ),
    Alert(
        "BackupTooOld",
        f"{series.BACKUP_TIME} > 0 and time() - {series.BACKUP_TIME} > {BACKUP_AGE_SECONDS_MAX}", "15m", "ticket",
        "{{ $labels.system }}: the newest backup is of {{ $value | humanizeTimestamp }}",
    ),
    # A database is born without one; its first night must have brought it.
    Alert(
        "BackupMissing", f"{series.BACKUP_TIME} == 0", f"{BACKUP_AGE_SECONDS_MAX // 3600}h", "page",
        "{{ $labels.system }}: there is no backup of the database at all",
    ),
    Alert(
        "ReplicationLags", f"{series.LAG_SECONDS} > {LAG_SECONDS_MAX}", "5m", "ticket",
        "{{ $labels.system }}: a copy of the database is {{ $value | humanizeDuration }} behind",
    ),
    Alert(
        "ConnectionsNearLimit", f"{series.CONNECTIONS_RATIO} > {CONNECTIONS_RATIO_MAX}", "5m", "page",
        "{{ $labels.system }}: {{ $value | humanizePercentage }} of the database's connections are taken",
    ),
    # Between two looks a client may wait; one that waits at every look of five minutes finds no connection left.
    Alert(
        "PoolClientsWait", f"{series.POOL_WAITING} > 0", "5m", "page",
        "{{ $labels.system }}: {{ $value }} clients of the pool wait for a connection",
    ),
    Alert(
        "VolumeNearlyFull", f"{series.VOLUME_RATIO} > {VOLUME_RATIO_MAX}", "15m", "page",
        "{{ $labels.system }}: data and log fill {{ $value | humanizePercentage }} of the database's volume",
    ),
)  # fmt: skip
_DRILLS: Final = (
    Alert(
        "DrillOverdue", f"{series.DRILL_AGE} > on (system) {series.DRILL_SECONDS_MAX}", "1h", "ticket",
        "{{ $labels.system }}: no backup was restored and found equal for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "DrillFailed", f"{series.DRILL_FAILED_TIME} > 0", "5m", "page",
        "{{ $labels.system }}: the restore drill of {{ $value | humanizeTimestamp }} failed, and none was equal since",
    ),
    Alert(
        "DrillUnknown", series.DRILLS_UNTOLD, "1h", "ticket",
        "{{ $labels.system }}: nobody can say when a backup was last restored and found equal",
    ),
)  # fmt: skip
_STATE: Final = (
    Alert(
        "JobFailed", f"{series.JOBS_FAILED} > 0", "1m", "ticket",
        "{{ $labels.system }}: job {{ $labels.job_name }} failed",
    ),
    Alert(
        "PodRestartsAgain", f"{series.RESTARTS} > {RESTARTS_MAX}", "5m", "ticket",
        "{{ $labels.system }}: container {{ $labels.container }} of pod {{ $labels.pod }} was restarted "
        "{{ $value | humanize }} times in an hour",
    ),
    Alert(
        "SecurityLogSilent", series.LOG_PROGRAMS_SILENT, "15m", "page",
        "{{ $labels.system }}: {{ $labels.program }} of the security log gives no sign of life",
    ),
)  # fmt: skip
_EDGE: Final = (
    # Half of the time is gone that was left for a renewal: the certificate itself says how much that was.
    Alert(
        "CertificateExpiresSoon",
        f"{series.CERTIFICATE_END_TIME} > 0 and {series.CERTIFICATE_END_TIME} - time() "
        f"< ({series.CERTIFICATE_END_TIME} - {series.CERTIFICATE_RENEWAL_TIME}) / 2", "15m", "ticket",
        "{{ $labels.system }}: certificate {{ $labels.name }} was not renewed and ends at "
        "{{ $value | humanizeTimestamp }}",
    ),
)  # fmt: skip
_ITSELF: Final = (
    Alert(
        "TargetDown", f"{series.TARGETS_DECLARED} > on (job, system) {series.TARGETS_ANSWERING}", "2m", "page",
        "{{ $labels.system }}: fewer than the declared number of {{ $labels.job }} answer, {{ $value }}",
    ),
    Alert(
        "AlertsNotDelivered", " or ".join(f"{rate} > 0" for rate in series.NOT_DELIVERED.values()), "10m", "page",
        "{{ $labels.system }}: alerts do not reach the people they are for",
    ),
    Alert(
        "RulesFailing", f"{series.RULE_FAILURES} > 0", "10m", "page",
        "{{ $labels.system }}: a rule could not be evaluated, so its alert is silent",
    ),
)  # fmt: skip
ALERTS: Final = (*_SERVICE, *_DATABASE, *_DRILLS, *_STATE, *_EDGE, *_ITSELF)


def runbook(alert: str, runbooks: str) -> str:
    """Return the address of an alert's page; `runbooks` is where all pages are."""
    return f"{runbooks.rstrip('/')}/{alert}.md"


def file(runbooks: str) -> Document:
    """Return the file of alerts; `runbooks` is where people read the page of each."""
    return {"groups": [{"name": "alerts", "rules": [alert.rule(runbooks) for alert in ALERTS]}]}
