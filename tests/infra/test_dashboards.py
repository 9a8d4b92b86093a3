"""Every panel shows what it says, by Prometheus' own judge; every alert has one, and the page that belongs to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from catalogue.system import mebibytes
from infra.monitoring import objectives
from tests.support.dashboards import OF_THE_PLATFORM, WITHOUT_AN_ANSWER, Asked, asked, read
from tests.support.declared import built_once
from tests.support.promtool import as_series, play, write_files

Document = dict[str, Any]
SYSTEMS = ("portal", "feedback")
PLATFORM_JOBS = ("postgres-operator", "gateway", "prometheus", "alertmanager", "certificates", "cluster-state")
GIB: Final = 1024**3
AT, AT_SECONDS = "70m", 4200
UNITS = {"short", "s", "bytes", "percentunit", "reqps", "cps", "bool_yes_no"}
"""Of Grafana's names for units those that we use."""


def of_system(system: str) -> dict[str, str]:
    """Return what is measured of a system in 70 minutes, in which a tenth of its requests fails."""
    one = f'system="{system}"'
    routed = f'{one},router="r@kubernetesgateway"'
    database = f'{one},instance="a"'
    return {
        f'ALERTS{{{one},alertname="ReplicationLags",alertstate="firing"}}': "1x99",
        f'ALERTS{{{one},alertname="BackupTooOld",alertstate="pending"}}': "1x99",
        f'traefik_router_requests_total{{{routed},code="200"}}': "0+90x99",
        f'traefik_router_requests_total{{{routed},code="503"}}': "0+10x99",
        **{
            f'traefik_router_request_duration_seconds_bucket{{{routed},code="200",le="{le}"}}': f"0+{count}x99"
            for le, count in (("0.1", 50), ("0.3", 100), ("1.2", 100), ("5", 100), ("+Inf", 100))
        },
        f'up{{job="postgres",{database}}}': "0x99",
        f'cnpg_backends_total{{{database},state="idle"}}': "50x99",
        f'cnpg_backends_total{{{database},state="active"}}': "20x99",
        f'cnpg_pgbouncer_pools_cl_waiting{{{database},user="{system}"}}': "3x99",
        f'cnpg_pg_settings_setting{{{database},name="max_connections"}}': "100x99",
        f'kube_job_failed{{{one},namespace="n",job_name="tidy",condition="true"}}': "1x99",
        f'kube_job_status_start_time{{{one},namespace="n",job_name="tidy"}}': "60x99",
        f'kube_pod_container_status_restarts_total{{{one},namespace="n",pod="web-1",container="web"}}': "0+0.1x99",
        f'kube_configmap_created{{{one},namespace="dcshift-drills",configmap="{system}-drill-equal"}}': "600x99",
        f'kube_configmap_created{{{one},namespace="dcshift-drills",configmap="{system}-drill-failed"}}': "1200x99",
        f"cnpg_pg_replication_lag{{{database}}}": "0x99",
        f'cnpg_pg_replication_lag{{{one},instance="b"}}': "30x99",
        f"cnpg_pg_replication_streaming_replicas{{{database}}}": "1x99",
        f'cnpg_pg_database_size_bytes{{{database},datname="{system}"}}': f"{GIB}x99",
        f'cnpg_collector_pg_wal{{{database},value="size"}}': f"{GIB}x99",
        f'cnpg_collector_pg_wal{{{database},value="count"}}': "64x99",
        f'cnpg_collector_pg_wal_archive_status{{{database},value="ready"}}': "3x99",
        f'cnpg_collector_pg_wal_archive_status{{{database},value="done"}}': "9x99",
        f"cnpg_pg_stat_archiver_seconds_since_last_archival{{{database}}}": "900x99",
        f"cnpg_pg_stat_archiver_last_archived_time{{{database}}}": f"{AT_SECONDS - 900}x99",
        f"cnpg_pg_stat_archiver_last_failed_time{{{database}}}": f"{AT_SECONDS - 3600}x99",
        f"cnpg_pg_stat_archiver_failed_count{{{database}}}": "0+1x99",
        f"cnpg_collector_last_available_backup_timestamp{{{database}}}": f"{AT_SECONDS - 7200 + 3600}x99",
    }


OF_PLATFORM = {
    'kube_statefulset_status_replicas_ready{system="platform",program="dcshift-log-relay"}': "1x99",
    'kube_statefulset_status_replicas_ready{system="platform",program="dcshift-log-national"}': "0x99",
    'kube_daemonset_status_number_ready{system="platform",program="dcshift-log-agent"}': "2x99",
    'kube_daemonset_status_desired_number_scheduled{system="platform",program="dcshift-log-agent"}': "2x99",
    **{f'up{{job="{job}",system="platform"}}': "1x99" for job in PLATFORM_JOBS},
    'certmanager_certificate_renewal_timestamp_seconds{system="platform",name="edge"}': f"{AT_SECONDS + 600000}x99",
    'certmanager_certificate_expiration_timestamp_seconds{system="platform",name="edge"}': f"{AT_SECONDS + 864000}x99",
    'alertmanager_notifications_failed_total{system="platform",integration="webhook"}': "0+6x99",
    'prometheus_notifications_errors_total{system="platform",alertmanager="a"}': "0+12x99",
    'prometheus_rule_evaluation_failures_total{system="platform",rule_group="alerts"}': "0+3x99",
}


def expected(system: str) -> dict[tuple[str, int], dict[str, float]]:
    """Return what each query shows of a system: the labels beside its name, and the value."""
    settings = built_once("platform").settings
    assert settings
    asked_for = settings.catalogue.system(system)
    spent = 0.1 / round(objectives.error_budget(asked_for), 6)
    volume = mebibytes(asked_for.database.storage) * 1024**2
    return {
        ("Alerts that fire", 0): {'alertname="ReplicationLags"': 1},
        ("Error budget spent in 30 days", 0): {"": spent},
        **{
            (f"Error budget burns: {windows}", number): {"": spent}
            for windows in ("1h and 5m", "6h and 30m", "3d and 6h")
            for number in (0, 1)
        },
        ("Answers by code", 0): {'code="200"': 1.5, 'code="503"': 10 / 60},
        ("Time to answer", 0): {"": 0.1},
        ("Time to answer", 1): {"": 0.28},
        ("Time to answer", 2): {"": 0.296},
        ("Jobs that failed in a day", 0): {'job_name="tidy", namespace="n"': 1},
        ("Restarts in an hour", 0): {'container="web", namespace="n", pod="web-1"': 6},
        ("Connections taken", 0): {"": 0.7},
        ("Clients that wait for the pool", 0): {"": 3},
        ("Connections by state", 0): {'state="idle"': 50, 'state="active"': 20},
        ("Replication lag", 0): {"": 30},
        ("Copies that follow", 0): {"": 1},
        ("Volume filled", 0): {"": 2 * GIB / volume},
        ("Log (WAL) on the volume", 0): {"": GIB},
        ("Log files that wait for the archive", 0): {"": 3},
        ("Since the last log file was archived, against the objective", 0): {"": 900 / 3600},
        ("Since the archive worked, since it failed", 0): {"": 900},
        ("Since the archive worked, since it failed", 1): {"": 3600},
        ("Failures of the archive in an hour", 0): {"": 60},
        ("Age of the newest backup", 0): {"": 3600},
        ("Without any backup", 0): {"": 0},
        ("Since a restored backup was equal, against what may be", 0): {
            "": (AT_SECONDS - 600) / settings.drill_seconds_max(asked_for)
        },
        ("Since a restore drill failed", 0): {"": AT_SECONDS - 1200},
        ("Targets that do not answer", 0): {
            'job="postgres"': 1,
            **({'job="pgbouncer"': 1} if asked_for.database.pooler else {}),
        },
    }


EXPECTED_OF_PLATFORM: Final[dict[tuple[str, int], dict[str, float]]] = {
    ("Programs of the security log without a sign of life", 0): {'program="dcshift-log-national"': 1},
    ("Certificates end in, are renewed in", 0): {'name="edge"': 864000},
    ("Certificates end in, are renewed in", 1): {'name="edge"': 600000},
    ("Alerts that were not delivered", 0): {"": 0.1},
    ("Alerts that were not delivered", 1): {"": 0.2},
    ("Rules that could not be evaluated", 0): {"": 30},
    ("Targets that do not answer", 0): {f'job="{job}"': 0 for job in PLATFORM_JOBS},
}


def declared(config: dict[str, str] | None = None) -> list[Document]:
    return read(each.inputs for each in built_once("platform", config).of("ConfigMap"))


def panels() -> list[Document]:
    return [panel for dashboard in declared() for panel in dashboard["panels"]]


def samples(query: Asked) -> list[Document]:
    of_one = query.dashboard == "dcshift-system"
    shown = {system: expected(system) for system in (SYSTEMS[:1] if of_one else SYSTEMS)}
    if not of_one:
        shown["platform"] = EXPECTED_OF_PLATFORM
    return [
        {"labels": "{" + ", ".join(filter(None, (f'system="{whose}"', labels))) + "}", "value": round(value, 3)}
        for whose, of_whom in shown.items()
        for labels, value in of_whom.get((query.panel, query.number), {}).items()
    ]


def test_every_panel_shows_what_it_says(tmp_path: Path) -> None:
    """The judge reads each expression and answers it; of one system it answers of no other."""
    queries = list(asked(declared(), SYSTEMS[0]))
    assert len(queries) > 40
    tests = [
        {"expr": f"round({query.expression}, 0.001)", "eval_time": AT, "exp_samples": samples(query)}
        for query in queries
    ]
    assert all(test["exp_samples"] for test in tests), "a panel of which nobody says what it shows"
    world = OF_PLATFORM | {name: values for system in SYSTEMS for name, values in of_system(system).items()}
    (tmp_path / "files").mkdir()
    played = {"interval": "1m", "input_series": as_series(world), "promql_expr_test": tests}
    play(write_files(tmp_path / "files"), tmp_path, [played], rules=("objectives.yml",))


def test_what_the_lab_is_excused_from_is_asked_by_a_panel() -> None:
    known = {(query.panel, query.number) for query in asked(declared(), SYSTEMS[0])}
    assert set(WITHOUT_AN_ANSWER) <= known
    assert set(OF_THE_PLATFORM) <= {panel for panel, _ in known}


def names(expression: str) -> set[str]:
    """Return the series of which an expression speaks."""
    kinds = "system:|dcshift_|cnpg_|traefik_|certmanager_|alertmanager_|prometheus_|kube_"
    return set(re.findall(rf"\b(?:(?:{kinds})[\w:]+|up\b)", expression))


def test_every_alert_has_panels_that_show_its_series_and_lead_to_its_page() -> None:
    (text,) = [
        each.inputs["data"]["alerts.yml"]
        for each in built_once("platform").of("ConfigMap")
        if "alerts.yml" in each.inputs["data"]
    ]
    rules = {rule["alert"]: rule for rule in yaml.safe_load(text)["groups"][0]["rules"]}
    shown: dict[str, set[str]] = {}
    for panel in panels():
        for link in panel["links"]:
            assert link["url"] == rules[link["title"]]["annotations"]["runbook_url"]
            shown.setdefault(link["title"], set()).update(*(names(query["expr"]) for query in panel["targets"]))
    assert shown.keys() == rules.keys()
    for alert, rule in rules.items():
        assert names(rule["expr"]) and names(rule["expr"]) <= shown[alert], alert


def test_a_panel_has_a_title_and_a_unit_and_its_lines_have_names() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        legends = [query["legendFormat"] for query in panel["targets"]]
        assert all(legends) and len(set(legends)) == len(legends), panel["title"]
    for dashboard in declared():
        titles = [panel["title"] for panel in dashboard["panels"]]
        assert len(set(titles)) == len(titles)


def test_no_panel_lies_on_another() -> None:
    for dashboard in declared():
        taken = [
            (x, y)
            for place in (panel["gridPos"] for panel in dashboard["panels"])
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(set(taken)) == len(taken)
        assert max(x for x, _ in taken) < 24
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_a_panel_is_of_one_system_where_people_choose_one_and_asks_for_no_other_choice() -> None:
    for dashboard in declared():
        known = {each["name"] for each in dashboard["templating"]["list"]}
        assert set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) == known
        assert ("system" in known) == (dashboard["uid"] == "dcshift-system")
        for panel in dashboard["panels"]:
            for query in panel["targets"]:
                assert ('{system="$system"}' in query["expr"]) == ("system" in known)


def test_grafana_finds_three_pages_and_the_base_of_the_runbooks_can_be_set() -> None:
    found = declared({"runbooks": "https://noi-bo.example/so-tay/"})
    assert {each["uid"] for each in found} == {"dcshift-centre", "dcshift-system", "dcshift-databases"}
    urls = {link["url"] for each in found for panel in each["panels"] for link in panel["links"]}
    assert all(re.fullmatch(r"https://noi-bo\.example/so-tay/\w+\.md", url) for url in urls)
    where = [
        each.inputs["metadata"]["namespace"]
        for each in built_once("platform").of("ConfigMap")
        if "grafana_dashboard" in each.inputs["metadata"]["labels"]
    ]
    assert where == ["dcshift-monitoring"] * 3


def test_another_picture_starts_no_pod_again() -> None:
    """Dashboards are no file of Prometheus: what is measured must not stop for them."""
    mounted = [
        volume["configMap"]["name"]
        for kind in ("StatefulSet", "Deployment")
        for each in built_once("platform").of(kind)
        for volume in each.inputs["spec"]["template"]["spec"].get("volumes", [])
        if "configMap" in volume
    ]
    assert mounted and not any(name.startswith("dashboard-") for name in mounted)
