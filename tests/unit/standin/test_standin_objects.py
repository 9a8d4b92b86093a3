"""Creating, changing, reading and deleting one object, against a small API server in memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from standin.cluster import ClusterError, conflict_sentence
from standin.drift import drifted
from standin.kinds import Kind, UnsupportedError, kind_of
from standin.objects import MANAGER_KEY, UID_KEY, Objects, Request, manager_of
from standin.settings import refusals, settings
from standin.values import UNKNOWN, UnsupportedValueError, decode, encode, has_unknown, with_secrets_marked
from standin.waiting import NotReadyError, Waiter

from tests.support.fake_cluster import FakeCluster


def request(token: str = "core/v1:ConfigMap", name: str = "x", timeout_seconds: float = 0.2, **parts: Any) -> Request:
    urn = f"urn:pulumi:stack::dcshift::a:b:C$kubernetes:{token}::logical"
    kind = kind_of(f"kubernetes:{token}")
    metadata = {"name": name, "namespace": "ns"}
    inputs = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **parts}
    return Request(urn, inputs, timeout_seconds)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def objects(cluster: FakeCluster) -> Objects:
    return Objects(cluster, settings({}), Waiter(cluster, threading.Event()))  # type: ignore[arg-type]


def test_an_object_is_created_and_its_uid_remembered(objects: Objects, cluster: FakeCluster) -> None:
    state = objects.create(request(data={"a": "1"}), preview=False)
    assert cluster.live["ns", "x"]["data"] == {"a": "1"}
    assert state[UID_KEY] == "uid-1"
    assert state["data"] == {"a": "1"}


def test_a_preview_creates_nothing(objects: Objects, cluster: FakeCluster) -> None:
    objects.create(request(data={"a": "1"}), preview=True)
    objects.create(request(data={"a": UNKNOWN}), preview=True)
    assert cluster.live == {}


def test_an_object_of_somebody_else_is_never_adopted(objects: Objects, cluster: FakeCluster) -> None:
    cluster.apply(Kind("v1", "ConfigMap"), request().inputs, "kubectl")
    with pytest.raises(ClusterError, match=r"already exists.*kubectl.*import it"):
        objects.create(request(data={"a": "1"}), preview=False)
    assert "data" not in cluster.live["ns", "x"]


def test_an_object_that_a_killed_run_had_created_is_taken_up_again(objects: Objects, cluster: FakeCluster) -> None:
    asked = request(data={"a": "1"})
    cluster.apply(Kind("v1", "ConfigMap"), asked.inputs, manager_of(asked.urn))
    assert objects.create(asked, preview=False)[UID_KEY] == "uid-1"


def test_a_patch_takes_fields_of_an_object_that_exists(objects: Objects, cluster: FakeCluster) -> None:
    cluster.apply(Kind("v1", "ServiceAccount"), request("core/v1:ServiceAccount").inputs, "controller")
    asked = request("core/v1:ServiceAccountPatch", automountServiceAccountToken=False)
    objects.create(asked, preview=False)
    assert cluster.live["ns", "x"]["automountServiceAccountToken"] is False
    with pytest.raises(UnsupportedError, match="retain_on_delete"):
        objects.delete(asked, {})


def test_an_object_that_does_not_become_ready_says_what_was_last_seen(objects: Objects, cluster: FakeCluster) -> None:
    cluster.status = {"phase": "Setting up primary"}
    with pytest.raises(NotReadyError) as late:
        objects.create(request("postgresql.cnpg.io/v1:Cluster"), preview=False)
    told = "\n".join(late.value.reasons)
    assert "not ready after 0 s" in told
    assert "Setting up primary" in told
    assert "FailedMount: no such volume" in told


def test_only_the_object_that_we_made_is_deleted(objects: Objects, cluster: FakeCluster) -> None:
    asked = request()
    state = objects.create(asked, preview=False)
    cluster.live["ns", "x"]["metadata"]["uid"] = "uid-of-its-successor"
    objects.delete(asked, state)
    assert cluster.deleted == []
    objects.delete(asked, {**state, UID_KEY: "uid-of-its-successor"})
    assert cluster.deleted == ["ns/x Foreground"]
    objects.delete(asked, state)


def test_reading_shows_only_what_applying_again_would_change(objects: Objects, cluster: FakeCluster) -> None:
    asked = request(data={"a": "1"}, spec={"replicas": 2})
    state = objects.create(asked, preview=False)
    cluster.live["ns", "x"] |= {"defaulted": True, "status": {"x": 1}}
    cluster.live["ns", "x"]["metadata"]["resourceVersion"] = "77"
    same = objects.read(asked, "ns/x", state)
    assert same is not None
    assert same.inputs == asked.inputs
    cluster.live["ns", "x"]["spec"] = {"replicas": 5}
    seen = objects.read(asked, "ns/x", state)
    assert seen is not None
    assert seen.inputs == {**asked.inputs, "spec": {"replicas": 5}}


def test_reading_what_is_gone_says_so(objects: Objects) -> None:
    assert objects.read(request(), "ns/x", {}) is None


def test_reading_tells_when_the_object_is_not_ready(objects: Objects, cluster: FakeCluster) -> None:
    asked = request("postgresql.cnpg.io/v1:Cluster")
    cluster.apply(asked.kind, asked.inputs, "operator")
    seen = objects.read(asked, "ns/x", {})
    assert seen is not None
    assert seen.readiness.verdict == "waiting"


def test_an_import_begins_with_what_lives(objects: Objects, cluster: FakeCluster) -> None:
    cluster.apply(Kind("v1", "ConfigMap"), request(data={"a": "1"}).inputs, "kubectl")
    found = objects.read(Request(request().urn, {}), "ns/x", {})
    assert found is not None
    assert found.inputs == request(data={"a": "1"}).inputs
    assert found.state[MANAGER_KEY] == manager_of(request().urn)


def test_names_are_explicit_and_namespaces_are_completed(objects: Objects) -> None:
    asked = Request(request().urn, {"metadata": {"generateName": "x-"}})
    assert [field for field, _ in objects.check(asked)[1]] == ["metadata.name"]
    completed, problems = objects.check(Request(request().urn, {"metadata": {"name": "x"}}))
    assert problems == []
    assert completed["metadata"] == {"name": "x", "namespace": "default"}
    assert (completed["apiVersion"], completed["kind"]) == ("v1", "ConfigMap")
    with pytest.raises(UnsupportedError, match="does not serve"):
        objects.check(request("core/v1:Unserved"))


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("kubernetes:helm.sh/v3:Release", "Helm"),
        ("kubernetes:yaml/v2:ConfigFile", "YAML"),
        ("kubernetes:kustomize/v2:Directory", "Kustomize"),
        ("kubernetes:core/v1:PodList", "list"),
        ("aws:s3:Bucket", "not a Kubernetes resource"),
    ],
)
def test_what_is_not_supported_is_refused_in_a_sentence(token: str, word: str) -> None:
    with pytest.raises(UnsupportedError, match=word):
        kind_of(token)


def test_settings_that_are_not_supported_are_refused_each() -> None:
    found = refusals({"renderYamlToDirectory": "out", "enableServerSideApply": "false", "kubeconfig": "x"})
    assert {name for name, _ in found} == {"renderYamlToDirectory", "enableServerSideApply"}
    assert refusals({"enableServerSideApply": "true", "deleteUnreachable": "false"}) == []


def test_numbers_come_back_whole_and_secrets_plain() -> None:
    marked = with_secrets_marked({"kind": "Secret", "stringData": {"a": "b"}, "metadata": {"name": "x"}})
    struct = encode(marked)
    assert struct.fields["stringData"].struct_value.fields.keys() == {"4dabf18193072939515e22adb298388d", "value"}
    assert decode(struct)["stringData"] == {"a": "b"}
    back = decode(encode({"port": 8000, "share": 0.5, "on": True}))
    assert {key: repr(value) for key, value in back.items()} == {"port": "8000", "share": "0.5", "on": "True"}


def test_an_asset_is_refused() -> None:
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": "x"}
    with pytest.raises(UnsupportedValueError, match="assets"):
        decode(encode({"data": asset}))


def test_an_unknown_is_found_at_any_depth() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "known"}]})


def test_a_conflict_names_the_field_and_its_owner() -> None:
    said = conflict_sentence(
        'Apply failed with 1 conflict: conflict with "dcshift-migrator" using batch/v1: .spec.suspend'
    )
    assert said.startswith("field .spec.suspend is owned by dcshift-migrator; nothing was changed.")
    several = conflict_sentence(
        'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using apps/v1:\n- .spec.replicas\n- .spec.paused'
    )
    assert ".spec.replicas, .spec.paused is owned by kubectl-edit" in several


def test_drift_in_a_list_is_found_by_the_elements_own_name() -> None:
    def containers(*images: str) -> dict[str, Any]:
        return {"c": [{"name": f"n{i}", "image": image} for i, image in enumerate(images)]}

    inputs, applied = containers("a", "b"), containers("a", "b")
    assert drifted(inputs, containers("a", "b"), applied) == inputs
    assert drifted(inputs, containers("a", "x"), applied) == containers("a", "x")
    assert drifted(inputs, containers("a"), applied) == containers("a")
    assert drifted(inputs, containers("a", "b", "c"), applied) == containers("a", "b", "c")
    # Another manager's own element, which applying leaves alone, is no drift.
    assert drifted(inputs, containers("a", "b", "c"), containers("a", "b", "c")) == inputs


def test_a_quantity_that_the_server_writes_another_way_is_no_drift() -> None:
    assert drifted({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "1"}) == {"cpu": "1000m"}
    assert drifted({"cpu": "1000m"}, {"cpu": "2"}, {"cpu": "1"}) == {"cpu": "2"}


def test_a_quantity_that_a_webhook_writes_another_way_is_no_drift() -> None:
    def cluster(cpu: str, name: str = "1000m") -> dict[str, Any]:
        return {"resources": {"limits": {"cpu": cpu}}, "name": name}

    assert drifted(cluster("2000m"), cluster("2"), cluster("2000m")) == cluster("2000m")
    assert drifted(cluster("1Gi"), cluster("1024Mi"), cluster("1Gi")) == cluster("1Gi")
    assert drifted(cluster("2000m"), cluster("3"), cluster("2000m")) == cluster("3")
    # What only looks like a quantity is compared letter by letter.
    assert drifted(cluster("2"), cluster("2", "1"), cluster("2")) == cluster("2", "1")
