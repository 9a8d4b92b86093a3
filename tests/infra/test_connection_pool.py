"""A pool of connections: who comes through it, how much of the database it may take, and that nothing forgets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.utils.quantity import parse_quantity

from catalogue.system import seconds
from infra import sizes
from tests.support.centres import production
from tests.support.declared import GROUNDS, Built, built_once

Document = dict[str, Any]
Stacks = Callable[[str], Built]
POOL = "portal-db-pooler.httt-portal-data.svc.cluster.local"
DATABASE = "portal-db-rw.httt-portal-data.svc.cluster.local"


def only(built: Built, kind: str) -> Document:
    (found,) = [each.inputs for each in built.of(kind)]
    return found


def hosts(pod: Document) -> set[str]:
    """Return where all containers of a pod look for the database."""
    containers = [*pod["containers"], *pod.get("initContainers", ())]
    return {entry["value"] for container in containers for entry in container["env"] if entry["name"] == "PGHOST"}


def test_the_application_comes_through_the_pool_and_a_schema_migration_and_the_move_do_not() -> None:
    portal = built_once("portal", {"migrate": "true"})
    assert hosts(only(portal, "Deployment")["spec"]["template"]["spec"]) == {POOL}
    for job in portal.of("CronJob"):
        assert hosts(job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]) == {POOL}
    assert hosts(only(portal, "Job")["spec"]["template"]["spec"]) == {DATABASE}
    assert portal.outputs["contract"]["database"]["host"] == DATABASE
    assert portal.outputs["contract"]["database"]["pooler"] == "portal-db-pooler"


def test_a_system_whose_file_names_no_pool_has_none(stack: Stacks) -> None:
    feedback = stack("feedback")
    (host,) = hosts(only(feedback, "Deployment")["spec"]["template"]["spec"])
    assert host == "feedback-db-rw.httt-feedback-data.svc.cluster.local"
    assert feedback.outputs["contract"]["database"]["pooler"] is None
    for declared in (*stack("data").objects, *stack("ground.feedback").objects):
        metadata = declared.inputs["metadata"]
        assert "feedback" not in metadata.get("namespace", "") or "pool" not in metadata["name"]


def test_what_is_pooled_keeps_no_connection_for_later(stack: Stacks) -> None:
    """In a pool of sessions an idle thread would hold what a citizen waits for."""
    assert only(stack("data"), "Pooler")["spec"]["pgbouncer"]["poolMode"] == "session"
    for pod in (only(stack("portal"), "Deployment"), stack("portal").of("CronJob")[0].inputs["spec"]["jobTemplate"]):
        (container,) = pod["spec"]["template"]["spec"]["containers"]
        assert {"name": "CONN_MAX_AGE", "value": "0"} in container["env"]


@pytest.mark.parametrize("pods", range(1, 6))
def test_even_in_a_roll_out_a_pool_leaves_the_database_what_is_not_the_applications(pods: int) -> None:
    connections, clients = sizes.pool(pods)
    assert 0 < 2 * pods * connections <= sizes.CONNECTIONS_MAX - sizes.CONNECTIONS_PAST_POOL
    assert clients > connections


def test_the_figures_are_those_of_the_database_behind_it(stack: Stacks) -> None:
    (portal,) = [o.inputs for o in stack("data").of("Cluster") if o.inputs["metadata"]["name"] == "portal-db"]
    assert portal["spec"]["postgresql"]["parameters"]["max_connections"] == str(sizes.CONNECTIONS_MAX)
    pool = only(stack("data"), "Pooler")["spec"]
    assert pool["cluster"] == {"name": "portal-db"}
    told = pool["pgbouncer"]["parameters"]
    assert (told["default_pool_size"], told["max_client_conn"]) == tuple(map(str, sizes.pool(1)))


def test_a_refused_login_closes_the_pool_for_less_than_a_cut_may_hold_requests(stack: Stacks) -> None:
    settings = stack("data").settings
    assert settings
    told = only(stack("data"), "Pooler")["spec"]["pgbouncer"]["parameters"]
    assert 2 * int(told["server_login_retry"]) < seconds(settings.catalogue.system("portal").objectives.write_hold_max)


def test_it_has_as_many_pods_as_the_level_asks_for_and_a_lab_one(stack: Stacks) -> None:
    assert only(stack("data"), "Pooler")["spec"]["instances"] == 1
    (pool,) = [item.document for item in production().stacks["data"] if item.document["kind"] == "Pooler"]
    assert pool["spec"]["instances"] == 3
    rules = built_once("platform").settings
    assert rules and rules.poolers(rules.catalogue.system("feedback")) == 0


def test_its_pods_fit_the_limits_and_with_a_roll_out_the_quota_of_their_namespace(stack: Stacks) -> None:
    grounds = [each for name in GROUNDS for each in stack(name).objects]
    pool = only(stack("data"), "Pooler")["spec"]
    spec = pool["template"]["spec"]
    containers = [*spec["containers"], *spec["initContainers"]]
    assert [each["name"] for each in containers] == ["pgbouncer", "bootstrap-controller"]

    def of_data(kind: str, system: str) -> Document:
        (found,) = [o for o in grounds if o.kind == kind and o.inputs["metadata"]["namespace"] == f"httt-{system}-data"]
        spec: Document = found.inputs["spec"]
        return spec

    (limits,) = of_data("LimitRange", "portal")["limits"]
    pooled, plain = (of_data("ResourceQuota", system)["hard"] for system in ("portal", "feedback"))
    assert int(pooled["pods"]) - int(plain["pods"]) == pool["instances"] + 1
    for container in containers:
        for what in ("cpu", "memory"):
            limit = parse_quantity(container["resources"]["limits"][what])
            assert limit <= parse_quantity(limits["max"][what])
            more = parse_quantity(pooled[f"limits.{what}"]) - parse_quantity(plain[f"limits.{what}"])
            assert more == limit * (pool["instances"] + 1)


def test_maintenance_spread_and_measuring_speak_of_the_pods_that_the_operator_makes(stack: Stacks) -> None:
    data, pods = stack("data"), {"cnpg.io/poolerName": "portal-db-pooler"}
    assert only(data, "PodDisruptionBudget")["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": pods}}
    (spread,) = only(data, "Pooler")["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": pods}
    (metrics,) = [o.inputs for o in data.of("Service") if o.inputs["metadata"]["name"] == "portal-db-pooler-metrics"]
    assert metrics["spec"]["selector"] == pods


def test_it_stays_when_a_destroy_of_its_database_is_refused(stack: Stacks) -> None:
    def locked(built: Built) -> set[bool]:
        return {each.protect for each in built.objects if "pooler" in each.inputs["metadata"]["name"]}

    assert locked(stack("data")) == {True}
    assert locked(built_once("data", {"dataMayBeDestroyed": "true"})) == {False}
