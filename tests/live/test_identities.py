"""Each identity tries, at a real API server, what its layer needs and what it must never do."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import naming
from infra.rights.kinds import ASKED
from lab.toolchain import tool_path
from migration.adapters.drill_record import DrillRecord
from migration.adapters.kubernetes import KubernetesCluster
from tests.support.asking import as_person, token_of
from tests.support.centre_server import APP, DATA, SECRETS, Centre, centre_server, documents, founded, of_kind, sent
from tests.support.commands import run
from tests.support.declared import GROUNDS, STACKS
from tests.support.ups import kubeconfig_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
Document = dict[str, Any]


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    with centre_server(tmp_path_factory.mktemp("identities")) as made:
        yield made


@pytest.fixture
def lent(centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return what has a kubeconfig of an identity written, as the platform's own job does."""

    def written(identity: str) -> Path:
        file = tmp_path / "keys" / f"{identity}.kubeconfig"
        monkeypatch.setenv("KUBECONFIG", str(centre.api.kubeconfig))
        said = run("identity", identity, "--output", str(file))
        assert said.returncode == 0, said.stderr
        assert json.loads(file.read_text())["users"][0]["user"]["token"] not in said.stdout + said.stderr
        return file

    return written


@pytest.mark.parametrize(
    ("stack", "identity"),
    [
        ("platform", "platform"),
        ("ground.portal", "platform"),
        ("ground.feedback", "platform"),
        ("data", "data"),
        ("security", "security"),
        ("portal", "deploy-portal"),
        ("feedback", "deploy-feedback"),
    ],
)
def test_a_layer_is_applied_whole_by_its_own_identity(stack: str, identity: str, centre: Centre) -> None:
    for document in documents(stack):
        answer = centre.who[identity].apply(document)
        assert answer.status_code in (200, 201), (document["kind"], answer.text)


@pytest.mark.parametrize("identity", ["platform", "tenancy", "data", "security", "auditor"])
def test_who_brings_a_stack_up_may_ask_the_cluster_what_it_lacks(identity: str, centre: Centre) -> None:
    paths = [f"/{'apis' if kind.group else 'api'}/{kind.api_version}/{kind.resource}" for kind in ASKED]
    assert len(paths) == 3
    assert [sent(path, "list", centre.who[identity]) for path in paths] == [200] * 3
    if identity != "platform":
        assert [sent(path, "create", centre.who[identity]) for path in paths] == [403] * 3


def test_who_brings_databases_up_sees_volumes_and_changes_none(centre: Centre) -> None:
    path = "/api/v1/persistentvolumes"
    assert sent(path, "list", centre.who["data"]) == 200
    assert [sent(f"{path}/x", verb, centre.who["data"]) for verb in ("patch", "delete")] == [403, 403]
    assert sent(path, "list", centre.who["security"]) == 403


def test_the_platform_hands_out_rights_that_it_does_not_have(centre: Centre) -> None:
    """Made anew: the server asks whoever makes or changes rights, not who applies the same again."""
    rights = [d for d in founded() if d["kind"].removeprefix("Cluster") in ("Role", "RoleBinding")]
    assert len(rights) > 30
    for document in rights:
        document["metadata"]["name"] += "-anew"
        assert centre.who["platform"].create(document).status_code == 201, document["metadata"]
    secret = of_kind("v1", "Secret", "made-by-provide", DATA)
    assert centre.who["platform"].create(secret).status_code == 201


def test_tenancy_applies_the_ground_of_the_systems_and_hands_out_only_what_reads(centre: Centre) -> None:
    applied = set()
    for document in (each for ground in GROUNDS for each in documents(ground)):
        metadata = document["metadata"]
        if document["kind"] == "RoleBinding" and metadata["name"] != "viewer":
            document["subjects"].append({"kind": "User", "name": "ngoài", "apiGroup": "rbac.authorization.k8s.io"})
        answer = centre.who["tenancy"].apply(document, dry_run=True)
        refused = document["kind"] == "Role" or (document["kind"] == "RoleBinding" and metadata["name"] != "viewer")
        assert answer.status_code == (403 if refused else 200), (document["kind"], answer.text)
        applied |= set() if refused else {document["kind"]}
    assert applied == {
        "Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "RoleBinding", "ServiceAccount", "Middleware"
    }  # fmt: skip


@pytest.mark.parametrize("namespace", ["kube-system", "cnpg-system", "dcshift-identities", "default"])
def test_tenancy_stays_in_the_systems_namespaces(namespace: str, centre: Centre) -> None:
    for document in (
        of_kind("networking.k8s.io/v1", "NetworkPolicy", "open", namespace, spec={"podSelector": {}}),
        of_kind("v1", "ServiceAccount", "another", namespace),
        of_kind("v1", "ResourceQuota", "none", namespace, spec={"hard": {"pods": "0"}}),
    ):
        answer = centre.who["tenancy"].create(document)
        assert answer.status_code == 422, answer.text
        assert "tenancy-in-systems" in answer.text
    own = of_kind("v1", "Namespace", namespace)
    own["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "privileged"}
    assert "tenancy-in-systems" in centre.who["tenancy"].apply(own, dry_run=True).text
    person = ("lan", naming.identity_group("tenancy"), "system:authenticated")
    with as_person(centre.api, *person) as lan:
        assert "tenancy-in-systems" in lan.create(of_kind("v1", "ServiceAccount", "another", namespace)).text


@pytest.mark.parametrize("identity", ["tenancy", "data", "security", "auditor", "deploy-portal", "deploy-feedback"])
def test_no_secret_is_read_nor_an_account_borrowed(identity: str, centre: Centre) -> None:
    asker = centre.who[identity]
    for namespace, name in SECRETS:
        assert sent(f"/api/v1/namespaces/{namespace}/secrets/{name}", "get", asker) == 403
        assert sent(f"/api/v1/namespaces/{namespace}/secrets", "list", asker) == 403
        assert sent(f"/api/v1/namespaces/{namespace}/secrets", "create", asker) == 403
    assert sent("/api/v1/secrets", "list", asker) == 403
    for namespace, account in ((naming.IDENTITIES, "break-glass"), (APP, naming.MIGRATOR), (DATA, "portal-db")):
        assert sent(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", "create", asker) == 403
    for header, value in (
        ("Impersonate-User", "system:serviceaccount:dcshift-identities:break-glass"), ("Impersonate-User", "admin")
    ):  # fmt: skip
        assert asker.client.get("/api/v1/namespaces", headers={header: value}).status_code == 403


def test_a_drill_reads_two_secrets_of_a_system_and_changes_databases_in_its_own_room_alone(centre: Centre) -> None:
    drill, databases = centre.who["drill"], "/apis/postgresql.cnpg.io/v1/namespaces"
    for namespace, name in SECRETS:
        wanted = 200 if name in ("portal-db-migration", "portal-db-ca") else 403
        assert sent(f"/api/v1/namespaces/{namespace}/secrets/{name}", "get", drill) == wanted, name
        assert sent(f"/api/v1/namespaces/{namespace}/secrets", "list", drill) == 403
        assert sent(f"/api/v1/namespaces/{namespace}/secrets", "create", drill) == 403
    assert sent("/api/v1/secrets", "list", drill) == 403
    scratch = of_kind("postgresql.cnpg.io/v1", "Cluster", "portal-drill", naming.DRILLS, spec={"instances": 1})
    assert drill.create(scratch).status_code == 201
    # Nothing was made for good: one who may delete is told that it is not there.
    assert sent(f"{databases}/{naming.DRILLS}/clusters/portal-drill", "delete", drill) == 404
    for namespace in (DATA, APP, "default"):
        living = of_kind("postgresql.cnpg.io/v1", "Cluster", "portal-db", namespace, spec={"instances": 1})
        assert drill.create(living).status_code == 403
        for verb in ("patch", "delete"):
            assert sent(f"{databases}/{namespace}/clusters/portal-db", verb, drill) == 403
    for name, namespace, wanted in (("portal-drill", naming.DRILLS, 201), ("portal-drill", DATA, 403)):
        assert drill.create(of_kind("v1", "ConfigMap", name, namespace)).status_code == wanted
    backup = of_kind("postgresql.cnpg.io/v1", "Backup", "now", DATA, spec={"cluster": {"name": "portal-db"}})
    assert drill.create(backup).status_code == 201
    assert sent(f"{databases}/{DATA}/backups/now", "delete", drill) == 403


def test_a_drill_makes_its_two_marks_anew_and_takes_nothing_else_away(centre: Centre, tmp_path: Path) -> None:
    """By what `dcshift drill` itself writes with, and for good: an answer to a trial would not say what is left."""
    file = kubeconfig_of(centre.api, "drill", token_of(centre.api, "drill"), tmp_path)
    record, drill = DrillRecord("portal", naming.DRILLS, KubernetesCluster(file)), centre.who["drill"]
    equal, failed = naming.drill_equal("portal"), naming.drill_failed("portal")
    for name, namespace in (
        (naming.drill_equal("another"), naming.DRILLS), (f"{equal}-too", naming.DRILLS), ("any", naming.DRILLS),
        (equal, DATA), (failed, "default"),
    ):  # fmt: skip
        assert centre.admin.apply(of_kind("v1", "ConfigMap", name, namespace)).status_code == 201

    def standing() -> dict[str, str]:
        """Where each ConfigMap stands, with its own identity: one that was made anew has another."""
        found = centre.admin.client.get("/api/v1/configmaps").json()["items"]
        return {
            f"/api/v1/namespaces/{each['namespace']}/configmaps/{each['name']}": each["uid"]
            for each in (item["metadata"] for item in found)
        }

    before, maps = standing(), f"/api/v1/namespaces/{naming.DRILLS}/configmaps"
    ran = {"at_epoch_seconds": 1.0, "rto_seconds": 1.0, "rpo_seconds": 1.0, "missed": []}
    seen = []
    for differences in ([], ["table public.a: 1 row"], []):
        record.write({**ran, "differences": differences})
        seen.append({path: uid for path, uid in standing().items() if before.get(path) != uid})
    ours = {f"{maps}/{name}" for name in (naming.drill_record("portal"), equal)}
    assert [set(each) for each in seen] == [ours, {*ours, f"{maps}/{failed}"}, ours]
    assert seen[0][f"{maps}/{equal}"] == seen[1][f"{maps}/{equal}"] != seen[2][f"{maps}/{equal}"]
    before = standing()
    for path in (*(before.keys() - {f"{maps}/{equal}"}), maps):
        assert drill.delete(path, dry_run=False).status_code == 403, path
    for name in (equal, "any"):
        assert sent(f"{maps}/{name}", "patch", drill) == 403
    assert standing() == before
    for other in ("tenancy", "data", "security", "auditor", "deploy-portal"):
        assert sent(f"{maps}/{equal}", "delete", centre.who[other]) == 403, other


@pytest.mark.parametrize(
    "identity", ["tenancy", "data", "drill", "security", "auditor", "deploy-portal", "deploy-feedback"]
)
def test_no_pod_is_entered_and_no_right_is_taken(identity: str, centre: Centre) -> None:
    asker = centre.who[identity]
    for namespace, pod in ((DATA, "portal-db-1"), (APP, "portal-web-1"), ("httt-feedback-data", "feedback-db-1")):
        for door in ("exec", "attach", "portforward", "proxy", "ephemeralcontainers"):
            for verb in ("get", "create", "patch"):
                assert sent(f"/api/v1/namespaces/{namespace}/pods/{pod}/{door}", verb, asker) == 403, door
        assert sent(f"/api/v1/namespaces/{namespace}/pods", "create", asker) == 403
        assert sent(f"/api/v1/namespaces/{namespace}/services/portal-db-rw/proxy", "get", asker) == 403
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    admin = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    me = [{"kind": "ServiceAccount", "name": identity, "namespace": naming.IDENTITIES}]
    for document in (
        of_kind("rbac.authorization.k8s.io/v1", "ClusterRole", "mine", rules=everything),
        of_kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "mine", roleRef=admin, subjects=me),
        of_kind("rbac.authorization.k8s.io/v1", "Role", "mine", APP, rules=everything),
        of_kind("rbac.authorization.k8s.io/v1", "RoleBinding", "mine", APP, roleRef=admin, subjects=me),
    ):
        assert asker.create(document).status_code == 403
    assert sent(f"{rbac}/namespaces/{APP}/roles/deployer", "patch", asker) == 403
    assert sent(f"{rbac}/clusterroles/dcshift-auditor", "patch", asker) == 403
    for path in (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        "/apis/apiregistration.k8s.io/v1/apiservices",
        "/api/v1/nodes",
        "/api/v1/persistentvolumes",
    ):
        assert sent(path, "create", asker) == 403, path
    for path in (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusters.postgresql.cnpg.io",
        f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/{naming.IDENTITIES}",
    ):
        assert {sent(path, verb, asker) for verb in ("patch", "delete")} == {403}, path


def test_the_auditor_reads_all_that_is_declared_and_changes_nothing(centre: Centre) -> None:
    for stack in STACKS:
        for document in documents(stack):
            path = centre.admin.path(document)
            assert centre.who["auditor"].client.get(path).status_code == 200, path
            assert centre.who["auditor"].apply(document, dry_run=True).status_code == 403
            assert sent(f"{path}/{document['metadata']['name']}", "delete", centre.who["auditor"]) == 403


def test_a_person_has_an_identity_by_a_group_and_nobody_has_one_without(centre: Centre) -> None:
    (deployment,) = [d for d in documents("portal") if d["kind"] == "Deployment"]
    for group, status in (("portal-deployers", 200), ("feedback-deployers", 403), ("system:authenticated", 403)):
        with as_person(centre.api, "lan", group) as lan:
            assert lan.apply(deployment, dry_run=True).status_code == status, group


def test_a_pipeline_is_lent_its_identity_for_an_hour_in_a_file_of_its_own(
    lent: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lent("deploy-portal")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    can = [str(tool_path("kubectl")), "--kubeconfig", str(file), "auth", "can-i", "-n", APP]
    assert answered(*can, "patch", "deployments.apps") == "yes"
    assert answered(*can, "get", "secrets") == "no"
    # What it was lent, it cannot lend on, nor exchange for more.
    monkeypatch.setenv("KUBECONFIG", str(file))
    for wanted in ("break-glass", "deploy-portal"):
        refused = run("identity", wanted, "--output", str(tmp_path / "more"))
        assert refused.returncode == 1
        assert "error[identity-refused]" in refused.stderr
    assert not (tmp_path / "more").exists()


def answered(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout.strip()


def test_a_kubeconfig_that_cannot_be_written_is_said_and_leaves_nothing(
    centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(centre.api.kubeconfig))
    (tmp_path / "taken").mkdir()
    refused = run("identity", "data", "--output", str(tmp_path / "taken"))
    assert refused.returncode == 1
    assert "error[kubeconfig-not-written]" in refused.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_an_identity_that_the_platform_did_not_make_yet_is_named(
    centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one: with an account all its tokens end, also those of the other tests."""
    monkeypatch.setenv("KUBECONFIG", str(centre.api.kubeconfig))
    path = f"/api/v1/namespaces/{naming.IDENTITIES}/serviceaccounts/deploy-feedback"
    assert centre.admin.delete(path, dry_run=False).status_code == 200
    refused = run("identity", "deploy-feedback", "--output", str(tmp_path / "none"))
    assert refused.returncode == 1
    assert "error[identity-missing]" in refused.stderr
    assert sent(f"/apis/apps/v1/namespaces/{APP}/deployments", "list", centre.who["deploy-feedback"]) in (401, 403)
