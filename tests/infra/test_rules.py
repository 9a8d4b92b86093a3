"""Rules that hold for every object of every stack: who owns it, what it may do, what it must not contain."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from catalogue.system import Files
from infra import workload
from infra.errors import SettingsError
from infra.rules import facts
from infra.rules.judge import breaches
from tests.support.centres import items_of
from tests.support.declared import GROUNDS, STACKS, Built, Declared, built_once

SYSTEMS = ("portal", "feedback")
Stacks = Callable[[str], Built]


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_keeps_every_rule(name: str, stack: Stacks) -> None:
    """What the rules ask, one by one, is in `infra/rules`; below are facts of this centre that are no rule."""
    built = stack(name)
    assert built.settings
    assert [str(breach) for breach in breaches(items_of(built), facts.of(built.settings))] == []


@pytest.mark.parametrize("name", STACKS)
def test_every_object_goes_through_the_stacks_own_provider(name: str, stack: Stacks) -> None:
    assert {d.provider.split("::")[-2] for d in stack(name).objects} == {"target"}


@pytest.mark.parametrize("name", STACKS)
def test_every_object_of_a_system_says_whose_it_is(name: str, stack: Stacks) -> None:
    for declared in stack(name).objects:
        namespace = declared.inputs["metadata"].get("namespace", "")
        if namespace.startswith("httt-") and not declared.kind.endswith("Patch"):
            labels = declared.inputs["metadata"]["labels"]
            assert labels["dcshift.gov.vn/he-thong"] == namespace.split("-")[1]
            assert labels["app.kubernetes.io/managed-by"] == "pulumi"


@pytest.mark.parametrize("name", STACKS)
def test_names_and_labels_fit_what_kubernetes_allows(name: str, stack: Stacks) -> None:
    for declared in stack(name).objects:
        metadata = declared.inputs["metadata"]
        assert len(metadata["name"]) <= 63
        for value in metadata.get("labels", {}).values():
            assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", value), value


def test_every_namespace_denies_both_ways_and_has_quota_and_limits(stack: Stacks) -> None:
    found = [each for name in ("platform", *GROUNDS) for each in stack(name).objects]

    def of(kind: str) -> list[Declared]:
        return [each for each in found if each.kind == kind]

    # In the namespace of identities nothing runs: there is nothing to deny and to limit.
    names = {d.inputs["metadata"]["name"] for d in of("Namespace")} - {"dcshift-identities"}
    assert len(names) == 8
    denied = {
        d.inputs["metadata"]["namespace"]
        for d in of("NetworkPolicy")
        if d.inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    }
    assert denied == names
    for kind in ("ResourceQuota", "LimitRange", "ServiceAccountPatch"):
        assert {d.inputs["metadata"]["namespace"] for d in of(kind)} == names
    for quota in of("ResourceQuota"):
        hard = quota.inputs["spec"]["hard"]
        assert {"requests.cpu", "limits.cpu", "requests.memory", "limits.memory", "pods"} <= hard.keys()
        # A sum of limits; a sum of requests would bound nothing, for nothing is requested (decision 0036).
        assert {"limits.ephemeral-storage"} == {each for each in hard if "ephemeral" in each}
        assert hard["services.loadbalancers"] == hard["services.nodeports"] == "0"


def test_the_openings_are_these_and_no_others(stack: Stacks) -> None:
    openings = set()
    for declared in [each for name in ("platform", *GROUNDS) for each in stack(name).of("NetworkPolicy")]:
        namespace = declared.inputs["metadata"]["namespace"]
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for rule in declared.inputs["spec"].get(way, []):
                assert rule[peers], "an empty list of peers means everyone"
                for peer in rule[peers]:
                    where = peer.get("ipBlock", {}).get("cidr") or peer.get("namespaceSelector", {}).get(
                        "matchLabels", {}
                    ).get("kubernetes.io/metadata.name", "own pods")
                    openings |= {(namespace, way, where, port["port"]) for port in rule["ports"]}
    portal = {opening for opening in openings if opening[0].startswith("httt-portal")}
    app, data = "httt-portal-app", "httt-portal-data"
    assert portal == {
        (app, "egress", "kube-system", 53),
        (app, "ingress", "dcshift-edge", 8000),
        (app, "egress", data, 5432),
        (app, "egress", "192.0.2.10/32", 8333),
        (data, "egress", "kube-system", 53),
        (data, "ingress", app, 5432),
        (data, "ingress", "cnpg-system", 5432),
        (data, "ingress", "cnpg-system", 8000),
        (data, "ingress", "dcshift-monitoring", 9187),
        (data, "ingress", "dcshift-monitoring", 9127),
        (data, "ingress", "own pods", 5432),
        (data, "ingress", "own pods", 8000),
        (data, "egress", "own pods", 5432),
        (data, "egress", "own pods", 8000),
        (data, "egress", "192.0.2.10/32", 6443),
        (data, "egress", "192.0.2.10/32", 8333),
        (data, "egress", "198.51.100.0/24", 5432),
    }
    assert not [opening for opening in openings if "feedback" in opening[0] and "portal" in str(opening[2])]
    drills = {opening[1:] for opening in openings if opening[0] == "dcshift-drills"}
    assert drills == {
        ("egress", "kube-system", 53),
        ("egress", "192.0.2.10/32", 6443),
        ("egress", "192.0.2.10/32", 8333),
        ("ingress", "cnpg-system", 5432),
        ("ingress", "cnpg-system", 8000),
    }
    monitoring = {opening[1:] for opening in openings if opening[0] == "dcshift-monitoring"}
    assert monitoring == {
        ("egress", "kube-system", 53),
        ("egress", data, 9187),
        ("egress", data, 9127),
        ("egress", "httt-feedback-data", 9187),
        ("egress", "cnpg-system", 8080),
        ("egress", "dcshift-edge", 9100),
        ("egress", "cert-manager", 9402),
        ("egress", "own pods", 9093),
        ("ingress", "own pods", 9093),
    }


@pytest.mark.parametrize("name", STACKS)
def test_no_secret_is_in_any_input_or_output(name: str, stack: Stacks) -> None:
    built = stack(name)
    assert built.of("Secret") == []
    for declared in built.objects:
        for found in environment(declared.inputs):
            if re.search("PASSWORD|SECRET|KEY|USER", found["name"]):
                assert "value" not in found, f"{declared.identity} holds {found['name']} itself"
    assert not re.search(r'"(password|secret_key|access_key)":', json.dumps(built.outputs, default=str))


def environment(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return list(value.get("env", [])) + [e for item in value.values() for e in environment(item)]
    return [e for item in value for e in environment(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", SYSTEMS)
def test_jobs_are_born_suspended_and_run_only_where_the_system_is_served(name: str, stack: Stacks) -> None:
    jobs = stack(name).of("CronJob")
    assert jobs
    for declared in jobs:
        assert declared.inputs["spec"]["suspend"] is True
    assert {d.inputs["spec"]["suspend"] for d in built_once(name, {"serves": "target"}).of("CronJob")} == {False}


def test_an_application_is_told_of_every_set_of_its_files(stack: Stacks) -> None:
    settings = stack("portal").settings
    assert settings
    sets = [Files(name=name, kind="bucket") for name in ("uploads", "old-forms")]
    system = settings.system.model_copy(update={"files": sets})
    two = replace(settings, catalogue=replace(settings.catalogue, systems=(system,)))
    told = {each["name"]: each for each in workload.environment(two, {})}
    assert told["S3_BUCKET"]["value"] == told["S3_BUCKET_UPLOADS"]["value"] == "khanhhoa-lab-portal-uploads"
    assert told["S3_BUCKET_OLD_FORMS"]["value"] == "khanhhoa-lab-portal-old-forms"
    keys = {name: each["valueFrom"]["secretKeyRef"]["name"] for name, each in told.items() if "S3_SECRET_KEY" in name}
    assert keys == {
        "S3_SECRET_KEY": "portal-s3-uploads",
        "S3_SECRET_KEY_UPLOADS": "portal-s3-uploads",
        "S3_SECRET_KEY_OLD_FORMS": "portal-s3-old-forms",
    }
    one = {each["name"] for each in workload.environment(settings, {}) if each["name"].startswith("S3_")}
    assert one == {"S3_BUCKET", "S3_ENDPOINT", "S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY"}


def test_workers_are_born_without_a_pod_and_work_only_where_the_system_is_served(stack: Stacks) -> None:
    (worker,) = stack("portal").of("StatefulSet")
    assert worker.inputs["spec"]["replicas"] == 0
    (serving,) = built_once("portal", {"serves": "target"}).of("StatefulSet")
    assert serving.inputs["spec"]["replicas"] == 1
    (container,) = worker.inputs["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["/opt/portal/bin/manage", "send_notices"]
    assert container["livenessProbe"]["exec"]["command"] == ["/opt/portal/bin/notices-alive"]
    assert stack("feedback").of("StatefulSet") == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_autoscaler_alone_owns_the_number_of_pods(name: str, stack: Stacks) -> None:
    (deployment,) = stack(name).of("Deployment")
    (scaler,) = stack(name).of("HorizontalPodAutoscaler")
    assert "replicas" not in deployment.inputs["spec"]
    assert scaler.inputs["spec"]["scaleTargetRef"]["name"] == deployment.inputs["metadata"]["name"]
    assert scaler.inputs["spec"]["minReplicas"] <= scaler.inputs["spec"]["maxReplicas"]


def locked(built: Built, kinds: tuple[str, ...]) -> set[tuple[bool, bool]]:
    return {(d.protect, d.retain) for kind in kinds for d in data_of(built, kind)}


def data_of(built: Built, kind: str) -> list[Declared]:
    return [d for d in built.of(kind) if "data" in d.identity]


def test_data_is_locked_until_somebody_says_otherwise(stack: Stacks) -> None:
    assert locked(stack("data"), ("Cluster", "ScheduledBackup")) == {(True, True)}
    assert locked(stack("ground.portal"), ("Namespace",)) == {(True, True)}
    told = {"dataMayBeDestroyed": "true"}
    assert locked(built_once("data", told), ("Cluster", "ScheduledBackup")) == {(False, False)}
    assert locked(built_once("ground.portal", told), ("Namespace",)) == {(False, False)}


def test_a_release_with_migrations_runs_them_once_under_its_own_name(stack: Stacks) -> None:
    assert stack("portal").of("Job") == []
    built = built_once("portal", {"release": "8.0.1", "migrate": "true"})
    (job,) = built.of("Job")
    assert job.inputs["metadata"]["name"] == "portal-migrate-8-0-1"
    (container,) = job.inputs["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "dcshift.local/portal:8.0.1"
    assert container["command"] == ["/opt/portal/bin/manage", "migrate", "--noinput"]
    (deployment,) = built.of("Deployment")
    assert deployment.inputs["spec"]["template"]["spec"]["containers"][0]["image"] == "dcshift.local/portal:8.0.1"


SEED = {"seededFrom": "portal=10.0.0.7:5433"}


def test_a_database_that_a_mover_keeps_a_copy_for_begins_from_that_and_the_others_are_born_empty() -> None:
    births = {d.identity: d.inputs["spec"] for d in built_once("data", SEED).of("Cluster")}
    portal, feedback = births["Cluster httt-portal-data/portal-db"], births["Cluster httt-feedback-data/feedback-db"]
    assert portal["bootstrap"] == {
        "pg_basebackup": {
            "source": "dcshift-seed", "database": "portal", "owner": "portal", "secret": {"name": "portal-db-app"},
        }
    }  # fmt: skip
    (origin,) = portal["externalClusters"]
    assert origin["connectionParameters"] == {
        "host": "10.0.0.7", "port": "5433", "user": "dcshift_seed", "sslmode": "verify-full",
    }  # fmt: skip
    assert origin["sslRootCert"] == {"name": "portal-db-seed", "key": "ca.crt"}
    assert "initdb" in feedback["bootstrap"]
    assert "externalClusters" not in feedback
    # What differs is its birth alone: when the setting goes again, nothing of it is another.
    (plain,) = [d for d in built_once("data").of("Cluster") if "portal" in d.identity]
    born = ("bootstrap", "externalClusters")
    assert {k: v for k, v in portal.items() if k not in born} == {
        k: v for k, v in plain.inputs["spec"].items() if k not in born
    }


def test_a_copy_is_reached_by_the_instances_of_its_own_database_and_only_while_it_is_named() -> None:
    named = [d for d in built_once("ground.portal", SEED).of("NetworkPolicy") if d.identity.endswith("/allow-seed")]
    assert [d.identity for d in named] == ["NetworkPolicy httt-portal-data/allow-seed"]
    (rule,) = named[0].inputs["spec"]["egress"]
    assert rule == {
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
        "ports": [{"protocol": "TCP", "port": 5433}],
    }
    assert not [d for d in built_once("ground.portal").of("NetworkPolicy") if d.identity.endswith("/allow-seed")]


def test_a_copy_for_a_system_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"dcshift:seededFrom names harbour, and the catalogue has"):
        built_once("data", {"seededFrom": "harbour=10.0.0.7:5433"})


def test_a_copy_that_need_not_prove_itself_breaks_the_rule_and_the_declared_one_keeps_all() -> None:
    built = built_once("data", SEED)
    assert built.settings
    known = facts.of(built.settings)
    assert [str(breach) for breach in breaches(items_of(built), known)] == []
    (item,) = [each for each in items_of(built) if each.identity == "Cluster httt-portal-data/portal-db"]
    for field in ("sslRootCert", "name", "connectionParameters"):
        document = copy.deepcopy(dict(item.document))
        del document["spec"]["externalClusters"][0][field]
        assert [each.rule.id for each in breaches([replace(item, document=document)], known)] == [
            "database-born-empty"
        ], field


def test_the_database_has_the_sources_order_of_letters_and_a_role_for_the_subscription(stack: Stacks) -> None:
    for declared in stack("data").of("Cluster"):
        spec = declared.inputs["spec"]
        assert spec["bootstrap"]["initdb"]["localeCollate"] == "en_US.UTF-8"
        (role,) = spec["managed"]["roles"]
        assert role["inRoles"] == ["pg_create_subscription", spec["bootstrap"]["initdb"]["owner"]]
        assert "superuser" not in role
        assert spec["storage"]["storageClass"] == "local-retain"
