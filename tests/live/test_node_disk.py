"""What pods may write on their nodes, as a real API server fills it in from the limits and quotas that are declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.api_server import ApiServer, api_server
from tests.support.centres import production

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
Document = dict[str, Any]
DISK = "ephemeral-storage"
LITTLE = {"cpu": "10m", "memory": "32Mi"}


def declared(kind: str) -> dict[str, Document]:
    """Return every LimitRange or ResourceQuota of the centre by its namespace."""
    found = [item.document for items in production().stacks.values() for item in items]
    return {each["metadata"]["namespace"]: dict(each) for each in found if each["kind"] == kind}


LIMITS, QUOTAS = declared("LimitRange"), declared("ResourceQuota")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api-server")) as api:
        for namespace, limits in LIMITS.items():
            made(api, "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            made(api, "limitranges", limits)
        yield api


def made(api: ApiServer, resource: str, document: Document) -> Document:
    answer = api.create(resource, document)
    assert answer.status_code == 201, answer.text
    found: Document = answer.json()
    return found


def pod(namespace: str, name: str, disk: Document | None = None) -> Document:
    """Return a pod as an operator makes one: CPU and memory are said, also of what runs before."""
    resources = {"requests": LITTLE, "limits": {**LITTLE, **(disk or {})}}
    container = {"image": "example.invalid/x:1", "resources": resources}
    spec = {"initContainers": [{"name": "before", **container}], "containers": [{"name": "main", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_every_namespace_with_pods_of_ours_has_both() -> None:
    assert LIMITS.keys() == QUOTAS.keys()
    assert {"httt-portal-app", "httt-portal-data", "dcshift-drills", "dcshift-monitoring"} <= LIMITS.keys()


@pytest.mark.parametrize("namespace", sorted(LIMITS))
def test_who_says_nothing_is_bounded_and_asks_nothing_of_a_node(namespace: str, server: ApiServer) -> None:
    (most,) = {each["max"][DISK] for each in LIMITS[namespace]["spec"]["limits"]}
    spec = made(server, "pods", pod(namespace, "says-nothing"))["spec"]
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["resources"]["limits"][DISK] == most
        assert container["resources"]["requests"][DISK] == "0"


@pytest.mark.parametrize("namespace", sorted(LIMITS))
def test_nobody_gets_more_than_his_namespace_allows(namespace: str, server: ApiServer) -> None:
    refused = server.create("pods", pod(namespace, "greedy", {DISK: "9Gi"}))
    assert refused.status_code == 403
    assert f"maximum {DISK} usage per Container" in refused.text


@pytest.mark.parametrize("namespace", ["dcshift-drills", "httt-portal-data"])
def test_a_quota_lets_in_as_many_as_the_operator_makes_and_no_more(namespace: str, server: ApiServer) -> None:
    quota = made(server, "resourcequotas", QUOTAS[namespace])
    hard = quota["spec"]["hard"]
    # There is no controller here, who would count what is there already.
    quota["status"] = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/{quota['metadata']['name']}"
    assert server.client.put(f"{path}/status", json=quota).status_code == 200
    (most,) = {each["max"][DISK] for each in LIMITS[namespace]["spec"]["limits"]}
    for number in range(int(hard[f"limits.{DISK}"].removesuffix("Gi")) // int(most.removesuffix("Gi"))):
        made(server, "pods", pod(namespace, f"instance-{number}"))
    refused = server.create("pods", pod(namespace, "one-more"))
    assert refused.status_code == 403
    assert f"exceeded quota: {quota['metadata']['name']}" in refused.text
    assert f"limits.{DISK}" in refused.text
