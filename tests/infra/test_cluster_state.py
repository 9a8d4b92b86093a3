"""What pods and jobs do is asked of the site's kube-state-metrics where one is named, and of nobody where none is."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from infra import naming
from infra.monitoring import series
from tests.support.declared import Built, built_once

TOLD = {"stateMetricsNamespace": "kube-system"}
Document = dict[str, Any]


def read(built: Built, name: str) -> Any:
    (text,) = [each.inputs["data"][name] for each in built.of("ConfigMap") if name in each.inputs["data"]]
    return yaml.safe_load(text)


def scraped() -> Document:
    (job,) = [
        each
        for each in read(built_once("platform", TOLD), "prometheus.yml")["scrape_configs"]
        if each["job_name"] == "cluster-state"
    ]
    return dict(job)


def relabelled(labels: dict[str, str], target: str) -> list[str]:
    """Return what rules of the job write into a label, as Prometheus does: the whole of the joined values must fit."""
    found = []
    for rule in scraped()["metric_relabel_configs"]:
        value = ";".join(labels.get(name, "") for name in rule["source_labels"])
        if rule.get("target_label") == target and (fits := re.fullmatch(rule["regex"], value)):
            found.append(rule["replacement"].replace("$1", fits[1] if fits.groups() else ""))
    return found


def test_the_setting_opens_one_way_and_names_one_target_and_nothing_else() -> None:
    def identities(built: Built) -> set[str]:
        return {each.identity for each in built.objects}

    without, told = built_once("platform"), built_once("platform", TOLD)
    assert identities(told) - identities(without) == {
        "Service kube-system/cluster-state-metrics",
        "NetworkPolicy dcshift-monitoring/allow-cluster-state",
    }
    (policy,) = [each.inputs["spec"] for each in told.of("NetworkPolicy") if "cluster-state" in each.identity]
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    assert policy["egress"] == [{"to": [peer], "ports": [{"protocol": "TCP", "port": 8080}]}]
    assert policy["podSelector"] == {"matchLabels": {"app.kubernetes.io/component": "prometheus"}}
    (service,) = [each.inputs["spec"] for each in told.of("Service") if "cluster-state" in each.identity]
    assert service["selector"] == {"app.kubernetes.io/name": "kube-state-metrics"}
    assert scraped()["dns_sd_configs"][0]["names"] == ["cluster-state-metrics.kube-system.svc.cluster.local"]
    assert "cluster-state" not in {each["job_name"] for each in read(without, "prometheus.yml")["scrape_configs"]}


@pytest.mark.parametrize(
    ("namespace", "system"),
    [
        ("httt-portal-app", ["portal"]),
        ("httt-portal-data", ["portal"]),
        ("httt-feedback-app", ["feedback"]),
        ("httt-portal-application", []),
        ("kube-system", []),
    ],
)
def test_what_is_said_of_a_namespace_is_its_systems(namespace: str, system: list[str]) -> None:
    assert relabelled({"namespace": namespace}, "system") == system


def test_each_program_of_the_security_log_is_known_by_its_name_whatever_its_kind() -> None:
    for labels, program in (
        ({"namespace": "dcshift-security", "statefulset": "dcshift-log-national"}, ["dcshift-log-national"]),
        ({"namespace": "dcshift-log-agents", "daemonset": "dcshift-log-agent"}, ["dcshift-log-agent"]),
        ({"namespace": "httt-portal-app", "statefulset": "portal-worker-notices"}, []),
        ({"namespace": "dcshift-security", "pod": "dcshift-log-relay-0"}, []),
    ):
        assert relabelled(labels, "program") == program


def kept(name: str, namespace: str) -> bool:
    (keep,) = [each for each in scraped()["metric_relabel_configs"] if each.get("action") == "keep"]
    assert keep["source_labels"] == ["__name__", "namespace"]
    return bool(re.fullmatch(keep["regex"], f"{name};{namespace}"))


def test_only_what_an_alert_asks_is_kept() -> None:
    asked = {
        name
        for text in (series.JOBS_FAILED, series.RESTARTS, series.LOG_PROGRAMS_SILENT)
        for name in re.findall(r"kube_\w+", text)
    }
    assert len(asked) == 6
    assert all(kept(name, "httt-portal-app") for name in asked)
    assert not kept("kube_secret_info", "httt-portal-app")


def test_of_config_maps_and_namespaces_only_those_are_kept_that_tell_of_drills() -> None:
    assert set(re.findall(r"kube_\w+", series.DRILLS_UNTOLD)) == {"kube_configmap_created", "kube_namespace_created"}
    assert kept("kube_configmap_created", naming.DRILLS)
    assert not kept("kube_configmap_created", "httt-portal-app")
    assert not kept("kube_configmap_info", naming.DRILLS)
    assert kept("kube_namespace_created", "httt-portal-data")
    assert not kept("kube_namespace_created", "httt-portal-app")


def test_what_a_drill_left_is_the_systems_whose_database_it_restored() -> None:
    for namespace, name, system in (
        (naming.DRILLS, "portal-drill-equal", ["portal"]),
        (naming.DRILLS, "feedback-drill-failed", ["feedback"]),
        (naming.DRILLS, "kube-root-ca.crt", []),
        (naming.DRILLS, "my-portal-drill-equal", []),
        ("default", "portal-drill-equal", []),
    ):
        assert relabelled({"namespace": namespace, "configmap": name}, "system") == system, name


def test_a_drill_is_due_as_the_level_asks_and_only_where_somebody_tells_of_it() -> None:
    def due_days(config: dict[str, str]) -> dict[str, float]:
        rules = read(built_once("platform", config), "objectives.yml")["groups"][0]["rules"]
        found = [rule for rule in rules if rule["record"] == series.DRILL_SECONDS_MAX]
        return {rule["labels"]["system"]: float(rule["expr"][7:-1]) / 86400 for rule in found}

    assert due_days({}) == {}
    assert due_days(TOLD) == {"portal": 35, "feedback": 35}
    settings = built_once("platform").settings
    assert settings
    portal = settings.catalogue.system("portal")
    days = [settings.drill_seconds_max(portal.model_copy(update={"level": level})) / 86400 for level in range(1, 6)]
    assert [round(each, 2) for each in days] == [35, 35, 35, 8.17, 8.17]


def test_programs_are_expected_only_where_somebody_says_how_they_are() -> None:
    def expected(config: dict[str, str]) -> set[str]:
        rules = read(built_once("platform", config), "objectives.yml")["groups"][0]["rules"]
        return {rule["labels"]["program"] for rule in rules if rule["record"] == series.LOG_PROGRAM}

    assert expected(TOLD) == {"dcshift-log-agent", "dcshift-log-relay", "dcshift-log-national"}
    assert expected({}) == set()
