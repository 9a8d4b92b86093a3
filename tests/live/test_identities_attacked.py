"""What an attacker tries who holds a pipeline's token, and who deletes what holds data: asked of a real API server."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.rules import keeping
from infra.rules.subjects import Kind
from tests.support.asking import Asker, as_person, until
from tests.support.centre_server import APP, DATA, Centre, centre_server, documents, of_kind, sent
from tests.support.declared import STACKS
from tests.support.log_agents import SPOILT

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
Document = dict[str, Any]
OTHER = "httt-feedback-app"
RBAC = "rbac.authorization.k8s.io/v1"
CNPG = "postgresql.cnpg.io/v1"
MALLORY = "mallory"
NAMES = {
    "namespaces": DATA,
    "customresourcedefinitions": "clusters.postgresql.cnpg.io",
    "persistentvolumes": "of-portal",
}


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    with centre_server(tmp_path_factory.mktemp("attacked")) as made:
        for stack in ("data", "portal", "feedback"):
            for document in documents(stack):
                assert made.admin.apply(document).status_code == 201
        for document in holding_data(made.admin):
            answer = made.admin.apply(document)
            assert answer.status_code in (200, 201), answer.text
        yield made


def holding_data(admin: Asker) -> Iterator[Document]:
    """Yield one object of every kind that holds data and that this server serves."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "x"}
    yield of_kind("v1", "PersistentVolumeClaim", "portal-db", DATA, spec=claim)
    yield of_kind("v1", "PersistentVolumeClaim", "another", "default", spec=claim)
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": DATA, "name": "portal-db"},
        "hostPath": {"path": "/x"},
    }
    yield of_kind("v1", "PersistentVolume", "of-portal", spec=volume)
    yield of_kind("v1", "PersistentVolume", "passing", spec={**volume, "persistentVolumeReclaimPolicy": "Delete"})
    database = {"name": "portal", "owner": "portal", "cluster": {"name": "portal-db"}}
    yield of_kind(CNPG, "Database", "portal-db", DATA, spec=database)
    # What a careless or bought administrator would add by hand: every right to delete, in the namespace and everywhere.
    anything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    yield of_kind(RBAC, "ClusterRole", "by-hand", rules=anything)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "by-hand"}
    person = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": MALLORY}]
    yield of_kind(RBAC, "ClusterRoleBinding", "by-hand", roleRef=role, subjects=person)


def kept(centre: Centre) -> list[tuple[Kind, str]]:
    """Return the path of one object of each kind that holds data."""
    found = []
    for kind in keeping.KEPT:
        if (kind.api_version, kind.name) in centre.admin.resources:
            where = None if kind.resource in NAMES else DATA
            document = of_kind(kind.api_version, kind.name, NAMES.get(kind.resource, "portal-db"), where)
            found.append((kind, f"{centre.admin.path(document)}/{document['metadata']['name']}"))
    return found


@pytest.mark.parametrize(
    "identity", ["platform", "tenancy", "data", "drill", "security", "auditor", "deploy-portal", "deploy-feedback"]
)
def test_rbac_lets_no_identity_delete_what_holds_data(identity: str, centre: Centre) -> None:
    tried = kept(centre)
    assert len(tried) >= 7
    for _, path in tried:
        assert sent(path, "delete", centre.who[identity]) == 403, path
        assert sent(path.rpartition("/")[0], "delete", centre.who[identity]) == 403, path


def test_a_right_added_by_hand_does_not_delete_what_holds_data(centre: Centre) -> None:
    """Not even the cluster's own administrator does by mistake; one by one or all at once."""
    with as_person(centre.api, MALLORY, "system:authenticated") as mallory:
        for asker in (mallory, centre.admin):
            for kind, path in kept(centre):
                for each in (path, path.rpartition("/")[0]):
                    answer = asker.delete(each)
                    if each != path and kind.resource == "namespaces":
                        assert answer.status_code == 405  # namespaces are deleted one by one
                        continue
                    assert answer.status_code == 422, (each, answer.text)
                    assert "data-kept: Only break-glass deletes" in answer.text
        # The same hands delete what holds none of our data.
        for path in (
            "/api/v1/namespaces/default/persistentvolumeclaims/another",
            "/api/v1/persistentvolumes/passing",
            f"/api/v1/namespaces/{APP}",
            f"/apis/apps/v1/namespaces/{APP}/deployments/portal-web",
        ):
            assert mallory.delete(path).status_code == 200, path
        hidden = {"metadata": {"labels": {"dcshift.gov.vn/tang": "app"}}}
        answer = mallory.client.patch(
            f"/api/v1/namespaces/{DATA}", json=hidden, headers={"Content-Type": "application/merge-patch+json"}
        )
        assert "namespace-named-after-system" in answer.text


def test_what_holds_data_gets_no_owner_and_files_keep_their_label(centre: Centre) -> None:
    """The garbage collector may delete everything, and takes what has an owner that is not there."""
    gone = [{"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "0d1f3a52-0000-4000-8000-000000000000"}]
    owned, merge = {"metadata": {"ownerReferences": gone}}, {"Content-Type": "application/merge-patch+json"}

    def changed(identity: str, path: str, change: Document) -> str:
        asker = centre.who[identity].client
        answer = asker.patch(path, json=change, headers=merge, params={"dryRun": "All"})
        assert answer.status_code in (200, 422), answer.text
        return answer.text if answer.status_code == 422 else ""

    data, app = f"/api/v1/namespaces/{DATA}", f"/api/v1/namespaces/{APP}"
    for identity, path in (
        ("tenancy", data),
        ("tenancy", app),
        ("data", f"/apis/{CNPG}/namespaces/{DATA}/clusters/portal-db"),
        ("data", f"/apis/{CNPG}/namespaces/{DATA}/scheduledbackups/portal-db"),
    ):
        assert "kept-without-owner: " in changed(identity, path, owned), path
        assert changed(identity, path, {"metadata": {"annotations": {"of": "people"}}}) == ""
    label = {"metadata": {"labels": {"dcshift.gov.vn/giu-tep": "true"}}}
    bare = {"metadata": {"labels": {"dcshift.gov.vn/giu-tep": None}}}
    assert centre.admin.client.patch(app, json=label, headers=merge).status_code == 200
    for identity in ("tenancy", "platform"):
        assert "files-stay-kept: " in changed(identity, app, bare), identity
    assert centre.who["break-glass"].client.patch(app, json=bare, headers=merge).status_code == 200


@pytest.mark.parametrize(
    ("user", "groups", "only"),
    [
        ("system:serviceaccount:kube-system:generic-garbage-collector", ("system:serviceaccounts",), None),
        ("system:serviceaccount:kube-system:namespace-controller", ("system:serviceaccounts",), None),
        ("system:kube-controller-manager", (), None),
        ("lan", ("dcshift-break-glass",), None),
        ("system:serviceaccount:cnpg-system:cnpg-manager", ("system:serviceaccounts:cnpg-system",),
         "persistentvolumeclaims"),
    ],
)  # fmt: skip
def test_what_keeps_the_cluster_running_still_deletes(
    user: str, groups: tuple[str, ...], only: str | None, centre: Centre
) -> None:
    # Rights of every kind come from masters; what is asked here is the policy alone.
    with as_person(centre.api, user, *groups, "system:masters") as asker:
        for kind, path in kept(centre):
            expected = 200 if only in (None, kind.resource) else 422
            assert asker.delete(path).status_code == expected, path


def test_break_glass_deletes_what_holds_data(centre: Centre) -> None:
    for _, path in kept(centre):
        assert centre.who["break-glass"].delete(path).status_code == 200, path
    path = f"/apis/{CNPG}/namespaces/{DATA}/databases/portal-db"
    assert centre.who["break-glass"].delete(path, dry_run=False).status_code == 200
    until(lambda: centre.admin.client.get(path).status_code == 404, "the object is still there")


def test_a_pipeline_touches_nothing_of_another_system_nor_of_any_data(centre: Centre) -> None:
    asker = centre.who["deploy-portal"]
    for stack in (each for each in STACKS if each != "portal"):
        for document in documents(stack):
            path = f"{centre.admin.path(document)}/{document['metadata']['name']}"
            assert asker.apply(document, dry_run=True).status_code == 403, path
            assert {sent(path, verb, asker) for verb in ("patch", "delete", "create")} <= {403, 405}, path
    for namespace in (OTHER, "httt-feedback-data", DATA, "kube-system", "dcshift-identities"):
        for resource in ("pods", "configmaps", "services", "serviceaccounts", "endpoints"):
            assert {sent(f"/api/v1/namespaces/{namespace}/{resource}", verb, asker) for verb in ("list", "create")} == {
                403
            }
    for kind in ("clusters", "databases", "scheduledbackups", "backups", "poolers", "publications", "subscriptions"):
        for namespace in (APP, DATA):
            path = f"/apis/{CNPG}/namespaces/{namespace}/{kind}"
            assert {sent(path, verb, asker) for verb in ("list", "create", "delete")} == {403}
    for account in ("dcshift-migrator", "default"):
        assert sent(f"/api/v1/namespaces/{APP}/serviceaccounts/{account}", "patch", asker) == 403


def of_portal(kind: str) -> Document:
    return copy.deepcopy(next(d for d in documents("portal") if d["kind"] == kind))


def as_migrator(pod: Document) -> None:
    pod["serviceAccountName"], pod["automountServiceAccountToken"] = "dcshift-migrator", True


def with_projected_token(pod: Document) -> None:
    pod["serviceAccountName"] = "dcshift-migrator"
    pod["volumes"] += [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]


def with_host_path(pod: Document) -> None:
    pod["volumes"] += [{"name": "host", "hostPath": {"path": "/var/lib/kubelet"}}]


def with_host_network(pod: Document) -> None:
    pod["hostNetwork"] = True


def gaining_rights(pod: Document) -> None:
    pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


def of_another_registry(pod: Document) -> None:
    pod["containers"][0]["image"] = f"registry.example/tool@sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (as_migrator, "no-account-token"),
        (with_projected_token, "no-account-token"),
        (with_host_path, "no-host-volumes"),
        (with_host_network, "no-host-namespaces"),
        (gaining_rights, "no-privilege-escalation"),
        (of_another_registry, "image-of-registry"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "Job", "CronJob"])
def test_a_pipeline_starts_no_pod_that_would_be_more_than_it_is(
    kind: str, spoil: Callable[[Document], None], rule: str, centre: Centre
) -> None:
    document = of_portal(kind)
    document["metadata"]["name"] = "attack"
    template = document["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else document["spec"]
    spoil(template["template"]["spec"])
    answer = centre.who["deploy-portal"].create(document)
    assert answer.status_code == 422, answer.text
    assert rule in answer.text


@pytest.mark.parametrize(("spoil", "rule"), SPOILT)
def test_who_runs_the_log_agents_gets_no_more_of_a_node(
    spoil: Callable[[Document], None], rule: str, centre: Centre
) -> None:
    (agents,) = [d for d in documents("security") if d["kind"] == "DaemonSet"]
    agents["metadata"]["name"] = "attack"
    asker = centre.who["security"]
    if rule == SPOILT[0][1]:
        answer = asker.apply(agents, dry_run=True)
        assert answer.status_code == 201, answer.text
    spoil(agents["spec"]["template"]["spec"])
    answer = asker.create(agents)
    assert answer.status_code == 422, answer.text
    assert f"{rule}: " in answer.text


def test_a_pipeline_opens_no_door_and_takes_nobodys_name(centre: Centre) -> None:
    asker, service, route = centre.who["deploy-portal"], of_portal("Service"), of_portal("HTTPRoute")
    for rule, more in (
        ("services-inside", {"type": "LoadBalancer"}),
        ("services-inside", {"type": "NodePort"}),
        ("services-inside", {"type": "ExternalName", "externalName": "feedback-db-rw.httt-feedback-data.svc"}),
        ("no-external-addresses", {"externalIPs": ["198.51.100.7"]}),
    ):
        spoiled = {**service, "metadata": {**service["metadata"], "name": "door"}, "spec": {**service["spec"], **more}}
        assert f"{rule}: " in asker.create(spoiled).text, more
    (theirs,) = [d for d in documents("feedback") if d["kind"] == "HTTPRoute"]
    route["metadata"]["name"] = "theirs"
    stolen = {**route, "spec": {**route["spec"], "hostnames": theirs["spec"]["hostnames"]}}
    assert "route-of-own-host: " in asker.create(stolen).text
    elsewhere = {**route, "spec": {**route["spec"], "rules": theirs["spec"]["rules"]}}
    elsewhere["spec"]["rules"][0]["backendRefs"][0]["namespace"] = OTHER
    assert "route-to-own-services: " in asker.create(elsewhere).text
