"""A centre applied by the real engine to a real API server: what would harm is refused, what drifted is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.project import Project
from infra.errors import InfraError
from infra.up import judging
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_for_stacks
from tests.support.project import ROOT
from tests.support.project import Project as SmallProject

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with server_for_stacks(tmp_path_factory.mktemp("safe")) as server:
        yield server


@pytest.fixture(scope="module")
def project(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A centre of one system, applied."""
    made = Project(tmp_path_factory.mktemp("project"), 1)
    made.write()
    said = up(made, api)
    assert said.returncode == 0, said.stdout + said.stderr
    return made


def up(project: Project, api: ApiServer) -> subprocess.CompletedProcess[str]:
    return run(project, api, "-m", "bench.up", str(project.folder), str(project.settings))


def run(project: Project, api: ApiServer, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=project.environment(api.kubeconfig), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


def drift(project: Project, api: ApiServer) -> tuple[int, list[dict[str, Any]]]:
    done = run(project, api, "-m", "infra.drift", f"--settings={project.settings}", "--json")
    assert done.returncode in (0, 3), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["differences"]
    return done.returncode, found


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def place(project: Project) -> tuple[str, str]:
    """Return the namespace of the system's workloads and that of its data."""
    system = project.stacks[-1]
    return f"httt-{system}-app", f"httt-{system}-data"


def database(project: Project, api: ApiServer) -> dict[str, Any]:
    where = f"/apis/postgresql.cnpg.io/v1/namespaces/{place(project)[1]}/clusters"
    (found,) = api.client.get(where).json()["items"]
    return dict(found)


def test_a_centre_as_it_was_applied_drifts_nowhere(project: Project, api: ApiServer) -> None:
    code, found = drift(project, api)
    assert [each for each in found if each["class"] != "shared"] == []
    assert code == 0


def test_a_database_on_another_storage_class_is_refused_and_nothing_is_written(
    project: Project, api: ApiServer
) -> None:
    before, file = database(project, api), project.catalogue / "province.yaml"
    changed(file, "local-retain", "another-class")
    try:
        said = up(project, api)
    finally:
        changed(file, "another-class", "local-retain")
    assert said.returncode == 1
    assert said.stderr.startswith("error[data-would-be-replaced]")
    assert "spec.storage.storageClass: local-retain → another-class" in said.stderr
    assert database(project, api) == before


_CARELESS = """
import os
import pulumi
import pulumi_kubernetes as k8s
provider = k8s.Provider("target", kubeconfig=os.environ["KUBECONFIG"], cluster_identifier="one")
first = {"made": False, "deleted": True, "unsaid": None}[os.environ["FIRST"]]
k8s.apiextensions.CustomResource(
    "db", api_version="postgresql.cnpg.io/v1", kind="Cluster",
    metadata={
        "name": os.environ["NAME"], "namespace": "default",
        # Nothing runs here: nobody makes it ready, and nobody ends what is deleted in the foreground.
        "annotations": {"pulumi.com/skipAwait": "true", "pulumi.com/deletionPropagationPolicy": "background"},
    },
    spec={"instances": 1, "storage": {"size": "1Gi", "storageClass": os.environ["CLASS"]}},
    opts=pulumi.ResourceOptions(provider=provider, delete_before_replace=first),
)
"""


@pytest.mark.parametrize(("first", "left"), [("made", []), ("deleted", ["two"]), ("unsaid", ["two"])])
def test_a_replacement_that_makes_first_reports_success_and_leaves_no_database(
    api: ApiServer, tmp_path: Path, first: str, left: list[str]
) -> None:
    """The danger itself: under one name the new object is the old one, and the engine then deletes "the original"."""
    said = {"FIRST": first, "NAME": f"throwaway-{first}"}
    small = SmallProject.make(tmp_path, api.kubeconfig, CLASS="one", **said)
    (small.folder / "infra").unlink()
    (small.folder / "infra").mkdir()
    (small.folder / "infra" / "__main__.py").write_text(_CARELESS)
    small.run("stack", "init", "throwaway")
    small.up("throwaway")
    where = "/apis/postgresql.cnpg.io/v1/namespaces/default/clusters"

    def classes() -> list[str]:
        found = api.client.get(where).json()["items"]
        mine = [each for each in found if each["metadata"]["name"] == said["NAME"]]
        return [each["spec"]["storage"]["storageClass"] for each in mine]

    assert classes() == ["one"]
    small.environment["CLASS"] = "two"
    assert small.up("throwaway").code == 0
    assert classes() == left


def test_another_birth_of_a_database_makes_no_new_one(project: Project, api: ApiServer) -> None:
    before, file = database(project, api), project.catalogue / f"{project.stacks[-1]}.yaml"
    changed(file, "en_US.UTF-8", "vi_VN.UTF-8")
    try:
        said = up(project, api)
        assert said.returncode == 0, said.stdout + said.stderr
        now = database(project, api)
    finally:
        changed(file, "vi_VN.UTF-8", "en_US.UTF-8")
    assert now["metadata"]["uid"] == before["metadata"]["uid"]
    assert now["spec"]["bootstrap"] == before["spec"]["bootstrap"]
    assert up(project, api).returncode == 0


@dataclass(frozen=True)
class Hand:
    """A change of one object's `spec` by hand, what puts it back, and the field that it is told at."""

    path: str
    change: dict[str, Any]
    back: dict[str, Any]
    field: str


QUOTA = Hand("/api/v1/namespaces/{app}/resourcequotas/quota", {"hard": {"pods": "99"}}, {}, "spec.hard.pods")
POLICY = Hand(
    "/apis/networking.k8s.io/v1/namespaces/{data}/networkpolicies/deny-all",
    {"podSelector": {"matchLabels": {"a": "b"}}},
    {"podSelector": {"matchLabels": None}},
    "spec.podSelector",
)


@pytest.mark.parametrize("hand", [QUOTA, POLICY], ids=["a quota", "a network policy"])
def test_a_change_by_hand_is_told_with_its_hand(project: Project, api: ApiServer, hand: Hand) -> None:
    app, data = place(project)
    where = f"{hand.path.format(app=app, data=data)}?fieldManager=kubectl-edit"
    before = api.client.get(where).json()["spec"]
    answer = api.client.patch(where, json={"spec": hand.change}, headers=MERGE)
    assert answer.status_code == 200, answer.text
    try:
        code, found = drift(project, api)
    finally:
        # Whoever puts a value back still holds the field; that is told as shared, and refuses nothing.
        assert api.client.patch(where, json={"spec": hand.back or before}, headers=MERGE).status_code == 200
    assert code == 3
    (told,) = [each for each in found if each["class"] == "drift"]
    assert (told["field"], told["manager"], told["refuses"]) == (hand.field, "kubectl-edit", True)
    assert told["when"]
    code, found = drift(project, api)
    assert code == 0
    assert (hand.field, "shared") in {(each["field"], each["class"]) for each in found}


def test_no_state_of_the_centre_holds_a_secret(
    project: Project, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in project.environment(api.kubeconfig).items():
        monkeypatch.setenv(name, value)
    judging.judge(project.stacks, project.settings, project.folder, every_state=True, cluster=False)


def test_what_the_cluster_lacks_is_told_at_once_and_what_it_has_is_seen(
    project: Project, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in project.environment(api.kubeconfig).items():
        monkeypatch.setenv(name, value)

    def judge() -> None:
        judging.judge(project.stacks, project.settings, project.folder)

    with pytest.raises(InfraError, match="cannot take what is declared") as refused:
        judge()
    lacking = refused.value.why
    assert refused.value.code == "cluster-lacks"
    for each in (
        "no storage class 'local-retain'",
        "no gateway class 'traefik'",
        "no node that takes pods",
        "Issuer lab-ca, which is to sign Certificate dcshift-edge/edge, is not there",
    ):
        assert each in lacking
    for resource, version, kind, more in (
        ("storageclasses", "storage.k8s.io/v1", "StorageClass", {"provisioner": "example.vn/none"}),
        ("gatewayclasses", "gateway.networking.k8s.io/v1", "GatewayClass", {"spec": {"controllerName": "a.vn/b"}}),
        ("nodes", "v1", "Node", {}),
    ):
        name = {"Node": "n1", "StorageClass": "local-retain", "GatewayClass": "traefik"}[kind]
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "a"}
        document = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, **more}
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        assert api.client.post(f"{root}/{resource}", json=document).status_code == 201
    issuers, api_version = "/apis/cert-manager.io/v1/namespaces/dcshift-edge/issuers", "cert-manager.io/v1"
    issuer = {"apiVersion": api_version, "kind": "Issuer", "metadata": {"name": "lab-ca"}, "spec": {"selfSigned": {}}}
    assert api.client.post(issuers, json=issuer).status_code == 201
    with pytest.raises(InfraError, match="cannot take what is declared") as refused:
        judge()
    assert "Issuer lab-ca, which is to sign Certificate dcshift-edge/edge, is not ready" in refused.value.why
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert api.client.patch(f"{issuers}/lab-ca/status", json=ready, headers=MERGE).status_code == 200
    room = {"status": {"allocatable": {"cpu": "200m", "memory": "64Gi"}}}
    assert api.client.patch("/api/v1/nodes/n1/status", json=room, headers=MERGE).status_code == 200
    with pytest.raises(InfraError, match="cannot take what is declared") as refused:
        judge()
    assert "its nodes give 200m of cpu to pods" in refused.value.why
    assert "class" not in refused.value.why and "Issuer" not in refused.value.why
    room = {"status": {"allocatable": {"cpu": "16"}}}
    assert api.client.patch("/api/v1/nodes/n1/status", json=room, headers=MERGE).status_code == 200
    judge()
