"""What is measured is declared and can be reached; monitoring has no right in the cluster and keeps no secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from infra.errors import ConfigError
from infra.monitoring import objectives, targets
from tests.support.declared import Built, built_once

Document = dict[str, Any]
AT_EDGE = "gw-dcshift-edge-edge-ep-websecure-0-0a1b2c3d4e5f60718293@kubernetesgateway"
WEBHOOK = "http://192.0.2.20:8080/alerts"


def read(built: Built, name: str) -> Any:
    (text,) = [each.inputs["data"][name] for each in built.of("ConfigMap") if name in each.inputs["data"]]
    return yaml.safe_load(text)


def template(built: Built, kind: str, name: str) -> Document:
    (found,) = [each.inputs["spec"] for each in built.of(kind) if each.inputs["metadata"]["name"] == name]
    made: Document = found["template"]
    return made


def test_every_target_is_a_declared_service_that_leads_to_each_pod() -> None:
    platform = built_once("platform")
    assert platform.settings
    services = {
        f"{each.inputs['metadata']['name']}.{each.inputs['metadata']['namespace']}.svc.cluster.local": each.inputs[
            "spec"
        ]
        for stack in ("platform", "data")
        for each in built_once(stack).of("Service")
    }
    asked = [each for each in targets.targets(platform.settings) if each.host != "localhost"]
    assert {each.host for each in asked} == set(services) - {"prometheus.dcshift-monitoring.svc.cluster.local"}
    for each in asked:
        assert [port["port"] for port in services[each.host]["ports"]] == [each.port]
        assert services[each.host]["clusterIP"] == "None"
        assert services[each.host]["publishNotReadyAddresses"], (
            "a pod that is not well would vanish instead of being down"
        )


def test_as_many_instances_must_answer_as_are_declared() -> None:
    for count in (1, 3):
        rules = read(built_once("platform", {"databaseInstances": str(count)}), "objectives.yml")["groups"][0]["rules"]
        counts = {rule["expr"] for rule in rules if rule["labels"].get("job") == "postgres"}
        assert counts == {f"vector({count})"}


def test_every_target_says_whose_it_is() -> None:
    for job in read(built_once("platform"), "prometheus.yml")["scrape_configs"]:
        fixed = [each["labels"]["system"] for each in job.get("static_configs", [])]
        found = {
            name: rule["replacement"]
            for each in job.get("dns_sd_configs", [])
            for name in each["names"]
            for rule in job["relabel_configs"]
            if re.fullmatch(rule["regex"], name)
        }
        assert all(fixed) and len(found) == len(job.get("dns_sd_configs", []))
        if job["job_name"] == "postgres":
            assert found == {
                f"{system}-db-metrics.httt-{system}-data.svc.cluster.local": system for system in ("portal", "feedback")
            }


@pytest.mark.parametrize(
    ("router", "system"),
    [
        # As traefik 3.6 writes it: kind, namespace, route, gateway, entry point, rule, hash.
        (f"httproute-httt-portal-app-portal-web-{AT_EDGE}", "portal"),
        (f"httproute-httt-feedback-app-feedback-web-{AT_EDGE}", "feedback"),
        (f"httproute-dcshift-edge-to-tls-{AT_EDGE}", None),
        # A system whose name begins as another's and goes on as its route does.
        (f"httproute-httt-portal-app-portal-web-gw-x-app-portal-app-portal-web-gw-x-web-{AT_EDGE}", None),
        ("ping@internal", None),
    ],
)  # fmt: skip
def test_the_gateways_figures_go_to_the_system_whose_route_it_is(router: str, system: str | None) -> None:
    (job,) = [
        each
        for each in read(built_once("platform"), "prometheus.yml")["scrape_configs"]
        if each["job_name"] == "gateway"
    ]
    rules = [rule for rule in job["metric_relabel_configs"] if rule.get("target_label") == "system"]
    found = [rule["replacement"] for rule in rules if re.fullmatch(rule["regex"], router)]
    assert found == ([system] if system else [])


def test_the_budget_of_errors_is_the_time_to_recover_once_a_month_and_no_more_than_can_be_noticed() -> None:
    settings = built_once("platform").settings
    assert settings
    portal = settings.catalogue.system("portal")
    assert objectives.error_budget(portal) == pytest.approx(4 / 720)
    slow = portal.model_copy(update={"objectives": portal.objectives.model_copy(update={"rto": "7d"})})
    assert objectives.error_budget(slow) == 0.05
    assert 14.4 * objectives.error_budget(slow) < 1


def test_monitoring_has_no_right_and_no_token_and_runs_as_pod_security_wants() -> None:
    platform = built_once("platform")
    for kind, name in (("StatefulSet", "prometheus"), ("Deployment", "alertmanager")):
        pod = template(platform, kind, name)["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
    subjects = [
        subject for kind in ("RoleBinding", "ClusterRoleBinding") for each in platform.of(kind)
        for subject in each.inputs["subjects"]
    ]  # fmt: skip
    assert "dcshift-monitoring" not in {subject.get("namespace") for subject in subjects}


def test_other_files_are_other_pods() -> None:
    def files(config: dict[str, str], kind: str, name: str) -> str:
        found: str = template(built_once("platform", config), kind, name)["metadata"]["annotations"][
            "dcshift.gov.vn/files"
        ]
        return found

    told = {"alertWebhook": WEBHOOK}
    assert files(told, "Deployment", "alertmanager") != files({}, "Deployment", "alertmanager")
    assert files(told, "StatefulSet", "prometheus") == files({}, "StatefulSet", "prometheus")
    fewer = {"databaseInstances": "2"}
    assert files(fewer, "StatefulSet", "prometheus") != files({}, "StatefulSet", "prometheus")


def test_without_a_receiver_nothing_leaves_and_with_one_exactly_its_address_is_open() -> None:
    def openings(built: Built) -> dict[str, Any]:
        return {
            each.inputs["metadata"]["name"]: each.inputs["spec"]
            for each in built.of("NetworkPolicy")
            if each.inputs["metadata"]["namespace"] == "dcshift-monitoring"
        }

    nobody, somebody = built_once("platform"), built_once("platform", {"alertWebhook": WEBHOOK})
    assert read(nobody, "alertmanager.yml")["receivers"] == [{"name": "people"}]
    assert read(somebody, "alertmanager.yml")["receivers"][0]["webhook_configs"] == [
        {"url": WEBHOOK, "send_resolved": True}
    ]
    assert set(openings(somebody)) - set(openings(nobody)) == {"allow-receiver"}
    assert openings(somebody)["allow-receiver"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": "alertmanager"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.20/32"}}], "ports": [{"protocol": "TCP", "port": 8080}]}],
    }


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("http://pager.example/alerts", "IPv4-ADDRESS"),
        ("192.0.2.20:8080", "IPv4-ADDRESS"),
        ("ftp://192.0.2.20/", "IPv4-ADDRESS"),
        ("http://192.0.2.20:99999/", "IPv4-ADDRESS"),
        ("http://duty:word@192.0.2.20/", "secrets do not belong"),
        ("http://192.0.2.20/?token=word", "secrets do not belong"),
    ],
)
def test_a_receiver_that_cannot_be_opened_or_holds_a_secret_is_refused(given: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        built_once("platform", {"alertWebhook": given})
    assert "word" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ("2.53.3", "dcshift.local/prometheus:2.53.3"),
        (f"sha256:{'a' * 64}", f"dcshift.local/prometheus@sha256:{'a' * 64}"),
    ],
)
def test_an_image_is_named_by_its_tag_or_its_digest(given: str, image: str) -> None:
    pod = template(built_once("platform", {"prometheusImage": given}), "StatefulSet", "prometheus")["spec"]
    assert pod["containers"][0]["image"] == image


@pytest.mark.parametrize("given", ["latest", "2 3", "sha256:abc", "other/image:1"])
def test_an_image_that_may_be_another_tomorrow_or_is_none_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="dcshift:prometheusImage"):
        built_once("platform", {"prometheusImage": given})
