"""Each alert fires and is silent as it should, by Prometheus' own judge, and has a page that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.monitoring.alerts import ALERTS
from tests.support import drill_cases
from tests.support.alert_case import Case
from tests.support.declared import built_once
from tests.support.promtool import as_series, judged, play, write_files

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
HEADINGS = ["## What it means", "## What to look at", "## What to do"]
PORTAL = 'system="portal"'
PLATFORM = 'system="platform"'
UP = {
    'up{job="postgres",system="portal",instance="a"}': "1x20",
    'up{job="postgres",system="feedback",instance="b"}': "1x20",
    'up{job="pgbouncer",system="portal",instance="a"}': "1x20",
    **{
        f'up{{job="{job}",{PLATFORM}}}': "1x20"
        for job in ("postgres-operator", "gateway", "certificates", "cluster-state", "prometheus", "alertmanager")
    },
}
READY = f'cnpg_collector_pg_wal_archive_status{{{PORTAL},value="ready"}}'
SINCE = f"cnpg_pg_stat_archiver_seconds_since_last_archival{{{PORTAL}}}"
FAILED = f"cnpg_pg_stat_archiver_last_failed_time{{{PORTAL}}}"
ARCHIVED = f"cnpg_pg_stat_archiver_last_archived_time{{{PORTAL}}}"
BACKUP = f"cnpg_collector_last_available_backup_timestamp{{{PORTAL}}}"
WAITING = f'cnpg_pgbouncer_pools_cl_waiting{{{PORTAL},user="portal",instance="%s"}}'
LAG = f"cnpg_pg_replication_lag{{{PORTAL}}}"
EDGE = f'{PLATFORM},name="edge",namespace="dcshift-edge"'
GIB = 1024**3
OF_JOB = f'{PORTAL},namespace="httt-portal-app",job_name="portal-tidy-29"'
RESTARTED = f'kube_pod_container_status_restarts_total{{{PORTAL},namespace="n",pod="web-1",container="web"}}'


def job(failed: int, began: int) -> dict[str, str]:
    """A job that began at a second of the test, beside one that ended well."""
    well = OF_JOB.replace("29", "28")
    return {
        f'kube_job_failed{{{OF_JOB},condition="true"}}': f"{failed}x200",
        f'kube_job_failed{{{OF_JOB},condition="false"}}': f"{1 - failed}x200",
        f'kube_job_failed{{{well},condition="true"}}': "0x200",
        f"kube_job_status_start_time{{{OF_JOB}}}": f"{began}x200",
        f"kube_job_status_start_time{{{well}}}": f"{began}x200",
    }


def log_programs(relay: str = "1x40", national: str | None = "1x40", agents: str = "3x40") -> dict[str, str]:
    """How many pods of each program are well; none: the set itself is gone."""
    sets = {"dcshift-log-relay": relay, "dcshift-log-national": national}
    ready = 'kube_statefulset_status_replicas_ready{system="platform",program="%s"}'
    agent = '{system="platform",program="dcshift-log-agent"}'
    return {
        **{ready % name: values for name, values in sets.items() if values},
        f"kube_daemonset_status_number_ready{agent}": agents,
        f"kube_daemonset_status_desired_number_scheduled{agent}": "3x40",
    }


def certificate(renewal: int, end: int) -> dict[str, str]:
    return {
        f"certmanager_certificate_renewal_timestamp_seconds{{{EDGE}}}": f"{renewal}x60",
        f"certmanager_certificate_expiration_timestamp_seconds{{{EDGE}}}": f"{end}x60",
    }


def requests(good: str, bad: str) -> dict[str, str]:
    labels = f'{PORTAL},router="r@kubernetesgateway"'
    return {
        f'traefik_router_requests_total{{{labels},code="200"}}': good,
        f'traefik_router_requests_total{{{labels},code="503"}}': bad,
    }


def connections(first: int, second: int) -> dict[str, str]:
    return {
        f'cnpg_backends_total{{{PORTAL},instance="a",state="idle"}}': f"{first}x20",
        f'cnpg_backends_total{{{PORTAL},instance="a",state="active"}}': f"{second}x20",
        f'cnpg_pg_settings_setting{{{PORTAL},instance="a",name="max_connections"}}': "100x20",
    }


def volume(data: float, log: float) -> dict[str, str]:
    return {
        f'cnpg_pg_database_size_bytes{{{PORTAL},instance="a",datname="portal"}}': f"{data * GIB:.0f}x30",
        f'cnpg_collector_pg_wal{{{PORTAL},instance="a",value="size"}}': f"{log * GIB:.0f}x30",
        # Of the same metric, and no bytes: it must not be added.
        f'cnpg_collector_pg_wal{{{PORTAL},instance="a",value="count"}}': f"{20 * GIB}x30",
    }


def without(name: str) -> dict[str, str]:
    return {series: values for series, values in UP.items() if series != name}


def of_days(alert: str, values: str, at: str, told: str | None = None) -> Case:
    return Case(alert, {BACKUP: values}, at, told, every="15m")


# The portal may be away for 4 h in a month: 0.56 % of its requests.
CASES = (
    *drill_cases.CASES,
    Case("ErrorBudgetBurnsFast", requests("0+90x99", "0+10x99"), "70m",
         "portal: 10% of requests failed in the last hour; a month's budget is gone in two days"),
    Case("ErrorBudgetBurnsFast", requests("0+93x99", "0+7x99"), "70m"),
    # Half an hour of every second request lost, and over for 20 minutes: nobody is called any more.
    Case("ErrorBudgetBurnsFast", requests("0+50x70", "0+50x30 1500x40"), "50m"),
    Case("ErrorBudgetBurnsFast", requests("0+100x99", "0x99"), "70m"),
    Case("ErrorBudgetBurnsFast", requests("0x99", "0x99"), "70m"),
    Case("ErrorBudgetBurns", requests("0+96x99", "0+4x99"), "70m",
         "portal: 4% of requests failed in the last six hours; a month's budget is gone in five days"),
    Case("ErrorBudgetBurns", requests("0+97x99", "0+3x99"), "70m"),
    Case("ErrorBudgetWears", requests("0+99x199", "0+1x199"), "190m",
         "portal: 1% of requests failed in the last three days; the month's budget will not last"),
    Case("ErrorBudgetWears", requests("0+995x199", "0+5x199"), "190m"),
    Case("ArchiveFailing", {FAILED: "2000x20", ARCHIVED: "1000x20"}, "10m",
         "portal: the log does not reach the archive: what is written now would be lost with the site"),
    # A fault that is over: it was archived since.
    Case("ArchiveFailing", {FAILED: "1000x20", ARCHIVED: "2000x20"}, "10m"),
    Case("ArchiveBehindObjective", {READY: "3x20", SINCE: "4000x20"}, "10m",
         "portal: finished log waits longer for the archive than may be lost"),
    Case("ArchiveBehindObjective", {READY: "3x20", SINCE: "300x20"}, "10m"),
    # Nobody wrote anything for a day: nothing waits.
    Case("ArchiveBehindObjective", {READY: "0x20", SINCE: "90000x20"}, "10m"),
    of_days("BackupTooOld", "60x120", "27h", "portal: the newest backup is of 1970-01-01 00:01:00 +0000 UTC"),
    of_days("BackupTooOld", "36000x120", "27h"),
    of_days("BackupTooOld", "0x120", "27h"),
    of_days("BackupMissing", "0x120", "27h", "portal: there is no backup of the database at all"),
    # The first night has not come yet.
    of_days("BackupMissing", "0x120", "25h"),
    of_days("BackupMissing", "0x4 3600x120", "27h"),
    Case("ReplicationLags", {LAG: "120x20"}, "10m", "portal: a copy of the database is 2m 0s behind"),
    Case("ReplicationLags", {LAG: "30x20"}, "10m"),
    Case("ConnectionsNearLimit", connections(50, 35), "10m", "portal: 85% of the database's connections are taken"),
    Case("ConnectionsNearLimit", connections(50, 20), "10m"),
    Case("PoolClientsWait", {WAITING % "a": "2x20", WAITING % "b": "1x20"}, "10m",
         "portal: 3 clients of the pool wait for a connection"),
    # Now and then one waits for a moment.
    Case("PoolClientsWait", {WAITING % "a": "0x3 2 0x2 4x2 0x9"}, "10m"),
    Case("VolumeNearlyFull", volume(8, 1), "20m", "portal: data and log fill 90% of the database's volume"),
    Case("VolumeNearlyFull", volume(7, 0.5), "20m"),
    *(
        Case("JobFailed", job(failed, began), at, told, labels=(
            ("system", "portal"), ("namespace", "httt-portal-app"), ("job_name", "portal-tidy-29"),
        ), every="15m")
        # It failed in its first hour, a day ago, and not at all.
        for failed, began, at, told in (
            (1, 3600, "3h", "portal: job portal-tidy-29 failed"), (1, 3600, "26h", None), (0, 3600, "3h", None),
        )
    ),
    *(
        Case("PodRestartsAgain", {RESTARTED: values}, "70m", told, labels=(
            ("system", "portal"), ("namespace", "n"), ("pod", "web-1"), ("container", "web"),
        ), every="10m")
        for values, told in (
            ("0+1x9", "portal: container web of pod web-1 was restarted 6 times in an hour"),
            # A release, and before that ten within a day.
            ("10x3 11x9", None),
        )
    ),
    *(
        Case("SecurityLogSilent", log_programs(**how), "30m", told, (("system", "platform"), ("program", program)))
        for how, program, told in (
            ({"national": "1x5 0x40"}, "dcshift-log-national",
             "platform: dcshift-log-national of the security log gives no sign of life"),
            ({"national": None}, "dcshift-log-national",
             "platform: dcshift-log-national of the security log gives no sign of life"),
            # One node of three sends nothing.
            ({"agents": "3x5 2x40"}, "dcshift-log-agent",
             "platform: dcshift-log-agent of the security log gives no sign of life"),
            ({}, "", None),
            # Its receiver's certificate was renewed: it was started anew.
            ({"relay": "1x20 0x9 1x20"}, "", None),
        )
    ),
    # Due after ten minutes and over after fifty: at thirty-one, half of the time between both is gone.
    Case("CertificateExpiresSoon", certificate(600, 3000), "46m",
         "platform: certificate edge was not renewed and ends at 1970-01-01 00:50:00 +0000 UTC",
         (("system", "platform"), ("name", "edge"), ("namespace", "dcshift-edge"))),
    Case("CertificateExpiresSoon", certificate(600, 3000), "44m"),
    # Renewed in time, and one that was never issued: that its own stack says.
    Case("CertificateExpiresSoon", certificate(6000, 9000), "46m"),
    Case("CertificateExpiresSoon", certificate(0, 0), "46m"),
    Case("TargetDown", UP | {'up{job="postgres",system="portal",instance="a"}': "0x20"}, "10m",
         "portal: fewer than the declared number of postgres answer, 1", (("job", "postgres"), ("system", "portal"))),
    Case("TargetDown", without('up{job="pgbouncer",system="portal",instance="a"}'), "10m",
         "portal: fewer than the declared number of pgbouncer answer, 1", (("job", "pgbouncer"), ("system", "portal"))),
    # Not even its name is there.
    Case("TargetDown", without(f'up{{job="gateway",{PLATFORM}}}'), "10m",
         "platform: fewer than the declared number of gateway answer, 1", (("job", "gateway"), ("system", "platform"))),
    Case("TargetDown", UP, "10m"),
    Case("TargetDown", UP | {f'up{{job="gateway",{PLATFORM}}}': "1x8 0x1 1x10"}, "10m"),
    *(
        Case("AlertsNotDelivered", {f'{name}{{{PLATFORM},integration="webhook"}}': values}, "30m", told,
             (("system", "platform"),))
        for name in ("alertmanager_notifications_failed_total", "prometheus_notifications_errors_total")
        for values, told in (("0+1x40", "platform: alerts do not reach the people they are for"), ("7x40", None))
    ),
    *(
        Case("RulesFailing", {f"prometheus_rule_evaluation_failures_total{{{PLATFORM}}}": values}, "30m", told,
             (("system", "platform"),))
        for values, told in (
            ("0+1x40", "platform: a rule could not be evaluated, so its alert is silent"), ("3x40", None),
        )
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


def test_the_programs_themselves_take_their_files(files: Path) -> None:
    status, said = judged("promtool", "check", "config", "--lint-fatal", str(files / "prometheus.yml"))
    assert status == 0, said
    assert f"{len(ALERTS)} rules found" in said
    status, said = judged("amtool", "check-config", str(files / "alertmanager.yml"))
    assert status == 0, said


def test_the_judge_refuses_what_is_wrong(files: Path, tmp_path: Path) -> None:
    broken = tmp_path / "alerts.yml"
    broken.write_text((files / "alerts.yml").read_text().replace("max by (system) (", "max by (system (", 1))
    status, said = judged("promtool", "check", "rules", str(broken))
    assert status != 0
    assert "parse error" in said


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_fires_and_is_silent_as_it_should(alert: Any, files: Path, tmp_path: Path) -> None:
    cases = [case for case in CASES if case.alert == alert.name]
    assert {case.told is None for case in cases} == {True, False}, "an alert needs a case of both"
    tests = [as_promtool_reads(case, alert) for case in cases]
    play(files, tmp_path, tests, rules=("objectives.yml", "alerts.yml"), every=cases[0].every)


def test_that_nobody_tells_of_config_maps_is_no_sign_of_drills(files: Path, tmp_path: Path) -> None:
    """A kube-state-metrics that may not read them tells of namespaces all the same: each would be young and well."""
    (alert,) = (alert for alert in ALERTS if alert.name == "DrillUnknown")
    known = drill_cases.born(0) | drill_cases.born(0, "feedback")
    tests = [as_promtool_reads(Case(alert.name, known, "3h", "", every="30m"), alert)]
    tests[0]["alert_rule_test"][0]["exp_alerts"] = [
        {
            "exp_labels": {"system": system, "severity": "ticket"},
            "exp_annotations": {
                "summary": f"{system}: nobody can say when a backup was last restored and found equal",
                "runbook_url": "docs/runbooks/DrillUnknown.md",
            },
        }
        for system in ("portal", "feedback")
    ]
    play(files, tmp_path, tests, rules=("objectives.yml", "alerts.yml"), every="30m")


def as_promtool_reads(case: Case, alert: Any) -> dict[str, Any]:
    expected = {
        "exp_labels": {**dict(case.labels), "severity": alert.severity},
        "exp_annotations": {"summary": case.told, "runbook_url": f"docs/runbooks/{alert.name}.md"},
    }
    return {
        "interval": case.every,
        "input_series": as_series(case.series),
        "alert_rule_test": [
            {"eval_time": case.at, "alertname": alert.name, "exp_alerts": [expected] if case.told else []}
        ],
    }


def test_no_failure_is_told_from_no_measurement(files: Path, tmp_path: Path) -> None:
    whole = {f'traefik_router_requests_total{{{PORTAL},code="200"}}': "0+100x99"}
    asked = [
        {
            "expr": f"system:request_errors:ratio{window}",
            "eval_time": "70m",
            "exp_samples": [{"value": 0, "labels": told}],
        }
        for window in ("5m", "30m", "1h", "6h", "3d")
        for told in [f"system:request_errors:ratio{window}{{{PORTAL}}}"]
    ]
    test = {"interval": "1m", "input_series": as_series(whole), "promql_expr_test": asked}
    play(files, tmp_path, [test], rules=("objectives.yml",))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_page_that_says_what_to_do(alert: Any) -> None:
    page = (RUNBOOKS / f"{alert.name}.md").read_text(encoding="utf-8")
    lines = page.splitlines()
    assert lines[0] == f"# {alert.name}"
    assert [line for line in lines if line.startswith("## ")] == HEADINGS
    for part in page.split("\n## ")[1:]:
        assert len(part.split("\n", 1)[1].strip()) > 60, f"nothing is said below {part.splitlines()[0]}"


def test_no_page_is_without_its_alert_and_the_base_of_the_pages_can_be_set() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {alert.name for alert in ALERTS}
    (rules,) = [
        declared.inputs["data"]["alerts.yml"]
        for declared in built_once("platform", {"runbooks": "https://noi-bo.example/so-tay/"}).of("ConfigMap")
        if "alerts.yml" in declared.inputs["data"]
    ]
    urls = [rule["annotations"]["runbook_url"] for rule in yaml.safe_load(rules)["groups"][0]["rules"]]
    assert urls == [f"https://noi-bo.example/so-tay/{alert.name}.md" for alert in ALERTS]
