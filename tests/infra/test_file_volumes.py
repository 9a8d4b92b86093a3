"""A volume of files as the centre declares it: where it lies, who opens it, what holds it, who may do what with it."""

from __future__ import annotations

from typing import Any

import pytest

from infra import foundations, naming
from infra.errors import InfraError
from infra.render.declared import Built, Declared
from infra.render.representative import Place, stacks
from infra.rules import facts
from infra.rules.book import named
from infra.rules.judge import Item, breaches
from infra.safety import claims
from infra.safety.asking import refuse_emptied
from infra.safety.replacing import replacements
from tests.support.centres import items_of
from tests.support.rights import Rights
from tests.support.states import exported, with_changed

Document = dict[str, Any]
MANY, ONE, NONE = Place(3, "internet", "many-pods"), Place(1, "internal", "one-pod"), Place(3, "internet")
CLAIM = "portal-files-templates"
APP = "httt-portal-app"
PARTS = ("Deployment", "StatefulSet", "CronJob", "Job")


def stack(place: Place, name: str) -> Built:
    return next(each for each in stacks(place) if each.stack == name)


def claim(place: Place) -> Declared:
    (found,) = stack(place, "data").of("PersistentVolumeClaim")
    return found


def only(place: Place, name: str, kind: str, called: str = "") -> Declared:
    (found,) = [each for each in stack(place, name).of(kind) if called in each.inputs["metadata"]["name"]]
    return found


def ground(place: Place, kind: str, name: str = "") -> tuple[Built, Declared]:
    """Return the one object of a kind that belongs to the ground of the pods, whichever stack lays it."""
    (found,) = [
        (built, each)
        for built in stacks(place)
        for each in built.of(kind)
        if APP in (each.inputs["metadata"].get("namespace"), each.inputs["metadata"]["name"])
        and name in ("", each.inputs["metadata"]["name"])
    ]
    return found


def rights_of(place: Place) -> Rights:
    return Rights.of([dict(item.document) for built in stacks(place) for item in items_of(built)])


def pod(inputs: Document) -> Document:
    spec = inputs["spec"]
    found: Document = (spec["jobTemplate"]["spec"] if inputs["kind"] == "CronJob" else spec)["template"]["spec"]
    return found


def openers(place: Place) -> dict[str, str]:
    """Return by kind of workload where its containers find the volume."""
    found = {}
    for kind in PARTS:
        for each in stack(place, "portal").of(kind):
            spec = pod(each.inputs)
            named = {v["name"] for v in spec["volumes"] if v.get("persistentVolumeClaim") == {"claimName": CLAIM}}
            for container in spec["containers"]:
                for mount in container["volumeMounts"]:
                    if mount["name"] in named:
                        found[kind] = mount["mountPath"]
    return found


@pytest.mark.parametrize(
    ("place", "mode", "storage_class"),
    [(MANY, "ReadWriteMany", "cephfs-retain"), (ONE, "ReadWriteOnce", "local-retain")],
    ids=str,
)
def test_a_claim_lies_beside_the_pods_in_the_stack_of_data_and_is_locked(
    place: Place, mode: str, storage_class: str
) -> None:
    declared, metadata = claim(place), claim(place).inputs["metadata"]
    assert (metadata["namespace"], metadata["name"]) == (APP, CLAIM)
    assert declared.inputs["spec"] == {
        "accessModes": [mode],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "5Gi"}},
    }
    assert declared.item.options | {"protect": True, "retain": True, "deletedFirst": True} == declared.item.options
    # No pod opens it before the next stack, so nobody may wait for its volume.
    assert metadata["annotations"] == {"pulumi.com/skipAwait": "true"}


@pytest.mark.parametrize("place", [MANY, ONE], ids=str)
def test_a_centre_with_a_volume_keeps_every_rule_and_no_field_has_two_owners(place: Place) -> None:
    for built in stacks(place):
        assert built.settings
        assert [str(each) for each in breaches(items_of(built), facts.of(built.settings))] == []
    assert list(claims.conflicts(stacks(place))) == []


def test_every_part_opens_a_volume_for_many_pods_and_keeps_its_narrow_rights() -> None:
    path = "/opt/portal/templates"
    assert openers(MANY) == {"Deployment": path, "StatefulSet": path, "CronJob": path}
    for kind in ("Deployment", "StatefulSet", "CronJob"):
        for each in stack(MANY, "portal").of(kind):
            spec = pod(each.inputs)
            assert spec["securityContext"]["fsGroup"] == 10001
            assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
            assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in spec["containers"])
    scaler = only(MANY, "portal", "HorizontalPodAutoscaler").inputs["spec"]
    assert scaler["maxReplicas"] > scaler["minReplicas"]


def test_a_volume_for_one_pod_is_the_web_processes_alone_which_never_has_a_second_beside_a_release() -> None:
    assert openers(ONE) == {"Deployment": "/opt/portal/templates"}
    scaler = only(ONE, "portal", "HorizontalPodAutoscaler").inputs["spec"]
    assert scaler["maxReplicas"] == scaler["minReplicas"] == 1
    web = only(ONE, "portal", "Deployment").inputs["spec"]
    # The next pod of a release begins on the node of the last one: no other may write the volume.
    (term,) = pod({"kind": "Deployment", "spec": web})["affinity"]["podAffinity"].values()
    assert term == [{"labelSelector": web["selector"], "topologyKey": "kubernetes.io/hostname"}]
    assert "affinity" not in pod(only(MANY, "portal", "Deployment").inputs)


def test_the_namespace_of_the_pods_is_kept_as_one_of_data_and_its_quota_has_room_for_its_claims_alone() -> None:
    for place, kept in ((MANY, True), (NONE, False)):
        _, namespace = ground(place, "Namespace")
        labels = namespace.inputs["metadata"]["labels"]
        assert labels.get("dcshift.gov.vn/giu-tep") == ("true" if kept else None)
        assert (namespace.item.options["protect"], namespace.item.options["retain"]) == (kept, kept)
        hard = ground(place, "ResourceQuota")[1].inputs["spec"]["hard"]
        room = (hard["persistentvolumeclaims"], hard.get("requests.storage"))
        assert room == (("1", "5Gi") if kept else ("0", None))


def test_data_declares_claims_and_nobody_but_break_glass_deletes_one_or_its_namespace() -> None:
    rights = rights_of(MANY)
    for verb in ("get", "create", "patch"):
        assert rights.may_do(naming.DATA, verb, claim(MANY).inputs), verb
    for identity in (naming.DATA, naming.PLATFORM, naming.TENANCY, naming.deploy_identity("portal")):
        assert not rights.may(identity, "delete", "/persistentvolumeclaims", APP, CLAIM), identity
        assert not rights.may(identity, "delete", "/namespaces", "", APP), identity
    assert not rights.may(naming.deploy_identity("portal"), "create", "/persistentvolumeclaims", APP, CLAIM)
    without = rights_of(NONE)
    assert not without.may(naming.DATA, "create", "/persistentvolumeclaims", APP, CLAIM)
    assert without.may(naming.TENANCY, "delete", "/namespaces", "", APP)


@pytest.mark.parametrize(("place", "role"), [(MANY, "deployer"), (NONE, "data")], ids=["another role", "no volume"])
def test_data_gets_no_other_role_beside_pods_and_none_where_no_volume_lies(place: Place, role: str) -> None:
    binding = ground(MANY, "RoleBinding", "data")[1].inputs
    other = {**binding, "roleRef": {**binding["roleRef"], "name": role}}
    settings, asked = stack(place, "platform").settings, named("binding-to-own-accounts")
    assert settings
    assert [each.rule for each in breaches([Item(other)], facts.of(settings), [asked])] == [asked]


def test_the_contract_tells_the_volume_and_no_bucket_stands_for_it() -> None:
    contract = stack(MANY, "portal").outputs["contract"]
    assert contract["volumes"] == [
        {
            "name": "templates",
            "namespace": APP,
            "claim": CLAIM,
            "path": "/opt/portal/templates",
            "access": "many-pods",
            "storage": "5Gi",
        }
    ]
    assert [each["name"] for each in contract["buckets"]] == ["uploads"]
    told = {each["name"] for each in pod(only(MANY, "portal", "Deployment").inputs)["containers"][0]["env"]}
    assert {each for each in told if each.startswith("S3_BUCKET")} == {"S3_BUCKET"}


def test_who_stands_on_a_volume_must_follow_it_and_nobody_else() -> None:
    def stood(place: Place, name: str) -> dict[str, str]:
        settings = stack(place, name).settings
        assert settings
        return foundations.stood_on(settings)

    assert stood(MANY, "data") != stood(NONE, "data")
    store = {"data": ""}
    assert stood(MANY, "portal")["data"] != stood(NONE, "portal")["data"]
    assert stood(MANY, "portal") | store != stood(NONE, "portal") | store
    assert stood(MANY, "security") == stood(NONE, "security")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("accessModes", ["ReadWriteOnce"], "spec.accessModes: ReadWriteMany → ReadWriteOnce"),
        ("storageClassName", "fast", "spec.storageClassName: cephfs-retain → fast"),
    ],
)
def test_a_change_that_needs_another_volume_is_refused_with_its_field(field: str, value: object, told: str) -> None:
    data = stack(MANY, "data")
    spoilt = with_changed(data, "PersistentVolumeClaim", lambda inputs: inputs["spec"].update({field: value}))
    found = [str(each) for each in replacements(spoilt, exported(data))]
    assert found == [f"stack data: PersistentVolumeClaim {APP}/{CLAIM} {told}"]
    grown = {"requests": {"storage": "9Gi"}}
    larger = with_changed(data, "PersistentVolumeClaim", lambda inputs: inputs["spec"].update({"resources": grown}))
    assert list(replacements(larger, exported(data))) == []


def test_a_volume_and_its_namespace_that_are_declared_no_more_are_named() -> None:
    gone = replacements(stack(NONE, "data"), exported(stack(MANY, "data")))
    assert [str(each) for each in gone] == [
        f"stack data: PersistentVolumeClaim {APP}/{CLAIM} the whole object: declared → declared no more under this name"
    ]
    laid, _ = ground(MANY, "Namespace")
    spoilt = with_changed(laid, "Namespace", lambda _: None, name="another")
    assert f"Namespace {APP} the whole object" in "\n".join(map(str, replacements(spoilt, exported(laid))))


class Left:
    """A cluster that has every database, no claim of files, and one volume of this claim."""

    def __init__(self, name: str, namespace: str, phase: str) -> None:
        spec = {"capacity": {"storage": "5Gi"}, "claimRef": {"namespace": namespace, "name": name}}
        self.volume = {"metadata": {"name": "pv-1"}, "spec": spec, "status": {"phase": phase}}

    def read(self, document: Document) -> Document | None:
        return document if document["kind"] == "Cluster" else None

    def items(self, _: str) -> list[Document]:
        return [self.volume]


def test_a_volume_of_files_that_would_be_empty_beside_the_files_of_the_one_before_it_is_refused() -> None:
    with pytest.raises(InfraError) as refused:
        refuse_emptied(stacks(MANY), Left(CLAIM, APP, "Released"))  # type: ignore[arg-type]
    assert refused.value.why == (
        f"PersistentVolumeClaim {APP}/{CLAIM} is not there, and volume pv-1 (5Gi) holds what claim {CLAIM} kept"
    )
    for others in ((CLAIM, APP, "Available"), (CLAIM, "httt-portal-data", "Released"), (f"{CLAIM}-1", APP, "Released")):
        refuse_emptied(stacks(MANY), Left(*others))  # type: ignore[arg-type]
