"""The three dashboards: the centre, one system, all databases. They show what alerts compare, and no more; pure."""

from __future__ import annotations

import json
from typing import Final

from infra.monitoring import alerts, series
from infra.monitoring.panels import Dashboard, Panel, Query

LABEL: Final = {"grafana_dashboard": "1"}
"""By which Grafana's chart finds ConfigMaps with dashboards, unless it is told otherwise."""


def _of(expression: str) -> tuple[Query]:
    return (Query(expression),)


_FIRING: Final = Panel("Alerts that fire", "short", (Query(series.FIRING, "{{system}} {{alertname}}"),), kind="stat")
_REQUESTS: Final = (
    Panel(
        "Error budget spent in 30 days", "percentunit", _of(series.BUDGET_SPENT), limit=1, kind="stat",
        about="Requests that failed, as a part of those that may: the objective `rto` as a part of 30 days.",
    ),
    *(
        Panel(
            f"Error budget burns: {long} and {short}",
            "short",
            tuple(
                Query(f"{series.error_ratio(window)} / on (system) {series.BUDGET}", f"{{{{system}}}} {window}")
                for window in (long, short)
            ),
            (alert,),
            limit=times,
            about=f"How many times faster than it may. Somebody is called when both windows are over {times}.",
        )
        for alert, (long, short, times) in alerts.SPEEDS.items()
    ),
    Panel("Answers by code", "reqps", (Query(series.answers("system, code"), "{{system}} {{code}}"),)),
    Panel(
        "Time to answer", "s",
        tuple(
            Query(series.latency(part), f"{{{{system}}}} {part:.0%}") for part in (0.5, 0.95, 0.99)
        ),
        about="At the gateway. It counts into 0.1, 0.3, 1.2 and 5 s: between them the figure is a guess, above them 5.",
    ),
)  # fmt: skip
_DATABASES: Final = (
    Panel(
        "Connections taken", "percentunit", _of(series.CONNECTIONS_RATIO), ("ConnectionsNearLimit",),
        limit=alerts.CONNECTIONS_RATIO_MAX, about="Of the instance with the most.",
    ),
    Panel(
        "Clients that wait for the pool", "short", _of(series.POOL_WAITING), ("PoolClientsWait",), limit=1,
        about="Of systems that have a pool.",
    ),
    Panel("Connections by state", "short", (Query(series.CONNECTIONS, "{{system}} {{state}}"),)),
    Panel(
        "Replication lag", "s", _of(series.LAG_SECONDS), ("ReplicationLags",), limit=alerts.LAG_SECONDS_MAX,
        about="Of the copy that is farthest behind.",
    ),
    Panel("Copies that follow", "short", _of(series.STREAMING_COPIES)),
    Panel(
        "Volume filled", "percentunit", _of(series.VOLUME_RATIO), ("VolumeNearlyFull",),
        limit=alerts.VOLUME_RATIO_MAX, about="Data and log, as a part of the declared volume.",
    ),
    Panel("Log (WAL) on the volume", "bytes", _of(series.LOG_SIZE_BYTES)),
    Panel(
        "Log files that wait for the archive", "short", _of(series.LOG_WAITING_FILES), ("ArchiveBehindObjective",)
    ),
    Panel(
        "Since the last log file was archived, against the objective", "percentunit",
        _of(f"{series.ARCHIVE_WAIT_SECONDS} / on (system) {series.ARCHIVE_WAIT_SECONDS_MAX}"),
        ("ArchiveBehindObjective",), limit=1,
        about="Of the objective `rpo`. Only while files wait is it a fault: a database at rest archives nothing.",
    ),
    Panel(
        "Since the archive worked, since it failed", "s",
        (
            Query(f"time() - ({series.ARCHIVED_TIME} > 0)", "{{system}} worked"),
            # A database whose archive never failed has no line.
            Query(f"time() - ({series.ARCHIVE_FAILED_TIME} > 0)", "{{system}} failed"),
        ),
        ("ArchiveFailing",), about="Somebody is called when the line of the failure is the lower one.",
    ),
    Panel("Failures of the archive in an hour", "short", _of(series.ARCHIVE_FAILURES), ("ArchiveFailing",)),
    Panel(
        "Age of the newest backup", "s", _of(f"time() - ({series.BACKUP_TIME} > 0)"), ("BackupTooOld",),
        limit=alerts.BACKUP_AGE_SECONDS_MAX,
    ),
    Panel(
        "Without any backup", "bool_yes_no", _of(f"{series.BACKUP_TIME} == bool 0"), ("BackupMissing",), limit=1,
        kind="stat", about="Of a database that was born today it is no fault.",
    ),
)  # fmt: skip
_DRILLS: Final = (
    Panel(
        "Since a restored backup was equal, against what may be", "percentunit",
        _of(f"{series.DRILL_AGE} / on (system) {series.DRILL_SECONDS_MAX}"), ("DrillOverdue", "DrillUnknown"), limit=1,
        about="Before the first drill, since the database's namespace was made. A system without a line: nobody knows, "
        "or no kube-state-metrics is named.",
    ),
    Panel(
        "Since a restore drill failed", "s", _of(f"time() - {series.DRILL_FAILED_TIME}"), ("DrillFailed",),
        kind="stat", about="Empty where the last drill was equal, and where no kube-state-metrics is named.",
    ),
)  # fmt: skip
_TARGETS: Final = Panel(
    "Targets that do not answer",
    "short",
    (Query(f"{series.TARGETS_DECLARED} - on (job, system) {series.TARGETS_ANSWERING}", "{{system}} {{job}}"),),
    ("TargetDown",),
    limit=1,
)
_STATE: Final = (
    Panel(
        "Jobs that failed in a day", "short", (Query(series.JOBS_FAILED, "{{system}} {{job_name}}"),), ("JobFailed",),
        limit=1, kind="stat", about="Empty where no job failed, and where no kube-state-metrics is named.",
    ),
    Panel(
        "Restarts in an hour", "short", (Query(series.RESTARTS, "{{system}} {{pod}} {{container}}"),),
        ("PodRestartsAgain",), limit=alerts.RESTARTS_MAX,
    ),
)  # fmt: skip
_LOG: Final = Panel(
    "Programs of the security log without a sign of life", "short",
    (Query(series.LOG_PROGRAMS_SILENT, "{{program}}"),), ("SecurityLogSilent",), limit=1, kind="stat",
    about="Empty when all of them answer, and where no kube-state-metrics is named.",
)  # fmt: skip
_CERTIFICATES: Final = Panel(
    "Certificates end in, are renewed in", "s",
    (
        Query(f"({series.CERTIFICATE_END_TIME} > 0) - time()", "{{name}} ends"),
        Query(f"({series.CERTIFICATE_RENEWAL_TIME} > 0) - time()", "{{name}} is renewed"),
    ),
    ("CertificateExpiresSoon",), about="Each renewal lifts both. Empty where the site's own tool keeps it.",
)  # fmt: skip
_ITSELF: Final = (
    Panel(
        "Alerts that were not delivered", "cps",
        tuple(Query(rate, where) for where, rate in series.NOT_DELIVERED.items()), ("AlertsNotDelivered",),
    ),
    Panel("Rules that could not be evaluated", "short", _of(series.RULE_FAILURES), ("RulesFailing",)),
)  # fmt: skip
DASHBOARDS: Final = (
    Dashboard(
        "centre",
        "The centre: errors, answers, and what measures them",
        (_FIRING, *_REQUESTS, *_STATE, _CERTIFICATES, _LOG, _TARGETS, *_ITSELF),
    ),
    Dashboard(
        "system", "One system", (_FIRING, *_REQUESTS, *_STATE, *_DATABASES, *_DRILLS, _TARGETS), of_one_system=True
    ),
    Dashboard("databases", "Databases: connections, copies, log, archive, backups", (*_DATABASES, *_DRILLS)),
)


def files(runbooks: str) -> dict[str, str]:
    """Return each dashboard's JSON by its name; `runbooks` is where people read the page of each alert."""
    return {
        each.name: json.dumps(each.document(runbooks), ensure_ascii=False, separators=(",", ":")) for each in DASHBOARDS
    }
