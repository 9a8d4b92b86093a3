"""What the lab puts into the cluster: complete, with the names that others rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.addresses import NODE_ADDRESS
from lab.ca import Authority
from lab.paths import cache
from lab.target import documents, layout, node, object_store, pki
from lab.target.api import path_of, plural


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("NetworkPolicy", "networkpolicies"),
        ("StorageClass", "storageclasses"),
        ("GatewayClass", "gatewayclasses"),
        ("Gateway", "gateways"),
        ("CustomResourceDefinition", "customresourcedefinitions"),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    ],
)
def test_plurals_are_those_of_the_api(kind: str, expected: str) -> None:
    assert plural(kind) == expected


def test_paths_follow_group_and_namespace() -> None:
    core = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n"}}
    grouped = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "s"}}
    assert path_of(core) == "/api/v1/namespaces/n/pods/a"
    assert path_of(grouped) == "/apis/storage.k8s.io/v1/storageclasses/s"


def test_volumes_stay_when_their_claim_goes_and_are_local() -> None:
    storage_class, *volumes = documents.storage()
    assert storage_class["metadata"]["name"] == "local-retain"
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
    assert len(volumes) == layout.VOLUME_COUNT
    assert all(volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain" for volume in volumes)
    assert all("local" in volume["spec"] for volume in volumes)


@pytest.fixture
def certificates(tmp_path: Path) -> list[dict[str, Any]]:
    """cert-manager as the lab puts it into the cluster, with an authority of its own."""
    return documents.certificates(Authority(tmp_path, "an authority"))


@pytest.mark.parametrize("name", ["dns", "edge", "router"])
def test_manifests_have_no_word_left_to_replace(name: str) -> None:
    assert "$" not in str(documents.load(name))


def test_an_unknown_word_in_a_manifest_is_an_error() -> None:
    with pytest.raises(KeyError):
        documents.load("proof", namespace="n")


def test_the_gateway_class_and_its_controller_are_declared() -> None:
    found = {document["kind"]: document for document in documents.load("edge")}
    assert found["GatewayClass"]["metadata"]["name"] == "traefik"
    ports = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["ports"]
    outside = {(port["hostPort"], port["hostIP"]) for port in ports if "hostPort" in port}
    assert outside == {(80, NODE_ADDRESS), (443, NODE_ADDRESS)}
    assert [port["containerPort"] for port in ports if "hostPort" not in port] == [9100], "its metrics stay inside"


def test_the_edges_controller_may_watch_every_kind_of_its_own() -> None:
    """Its provider waits for all of them: one that it may not see, or that is not defined, and it serves nothing."""
    if not (cache() / "manifests" / "v3-of-traefik-v3.6.12").is_dir():
        pytest.skip("the cache has no manifests of traefik yet: make setup")
    own = {each["spec"]["names"]["plural"] for each in documents.edge_kinds() if each["spec"]["group"] == "traefik.io"}
    (role,) = [each for each in documents.load("edge") if each["kind"] == "ClusterRole"]
    (rule,) = [each for each in role["rules"] if each["apiGroups"] == ["traefik.io"]]
    assert "middlewares" in own
    assert (set(rule["resources"]), set(rule["verbs"])) == (own, {"get", "list", "watch"})


def test_containers_of_the_lab_are_confined(certificates: list[dict[str, Any]]) -> None:
    found = [each for name in ("dns", "edge") for each in documents.load(name)] + certificates
    pods = [each["spec"]["template"]["spec"] for each in found if each["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        assert all(c["securityContext"]["capabilities"] == {"drop": ["ALL"]} for c in pod["containers"])


def test_who_signs_is_the_labs_own_authority_in_the_edges_namespace(
    certificates: list[dict[str, Any]], tmp_path: Path
) -> None:
    found = {each["kind"]: each for each in certificates}
    assert found["Secret"]["stringData"]["tls.crt"] == (tmp_path / "ca.pem").read_text()
    assert found["Secret"]["stringData"]["tls.key"] == (tmp_path / "ca.key").read_text()
    assert found["Issuer"]["spec"]["ca"]["secretName"] == found["Secret"]["metadata"]["name"]
    assert {found[kind]["metadata"]["namespace"] for kind in ("Secret", "Issuer")} == {layout.EDGE_NAMESPACE}


def test_who_keeps_certificates_has_rights_in_the_edges_namespace_alone(certificates: list[dict[str, Any]]) -> None:
    rights = [each for each in certificates if each["apiVersion"].startswith("rbac.")]
    assert {each["kind"] for each in rights} == {"Role", "RoleBinding"}
    assert {each["metadata"]["namespace"] for each in rights} == {layout.EDGE_NAMESPACE}
    assert "*" not in str(rights)
    (namespace,) = [each for each in certificates if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_object_store_knows_one_identity_and_calls_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    words = object_store.argv(tmp_path_factory.mktemp("d"), tmp_path_factory.mktemp("c") / "s3.json")
    assert "-master.telemetry=false" in words
    assert any(word.startswith("-s3.config=") for word in words)
    assert object_store.identities("a", "s")["identities"] == [
        {
            "name": "admin",
            "credentials": [{"accessKey": "a", "secretKey": "s"}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]


def test_the_kubelet_keeps_images_that_no_registry_could_give_back() -> None:
    assert node.kubelet_configuration()["imageGCHighThresholdPercent"] == 100


def test_the_node_speaks_as_a_node_and_only_two_as_masters() -> None:
    groups = {identity.name: identity.group for identity in pki.IDENTITIES}
    assert groups["kubelet"] == "system:nodes"
    assert sorted(name for name, group in groups.items() if group == "system:masters") == ["admin", "apiserver-kubelet"]
