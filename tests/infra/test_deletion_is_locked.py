"""Four locks hold a database, each by itself: with any three taken off, the fourth keeps the rows."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional
from standin.objects import Objects, Request
from standin.settings import settings
from standin.waiting import Waiter

from infra import naming
from infra.rules import keeping
from infra.rules.book import named
from infra.rules.judge import Item, breaches
from lab.target import documents
from tests.support.centres import production
from tests.support.fake_cluster import FakeCluster

Document = dict[str, Any]
DATABASE = "Cluster httt-portal-data/portal-db"


def broken(rule_id: str, items: list[Item]) -> list[str]:
    return [breach.identity for breach in breaches(items, production().facts, [named(rule_id)])]


def data() -> list[Item]:
    return production().stacks["data"]


def test_an_object_that_leaves_the_program_is_deleted_where_nothing_holds_it() -> None:
    """The danger: what the engine does with a resource that is declared no more."""
    (item,) = [each for each in data() if each.identity == DATABASE]
    cluster = FakeCluster()
    objects = Objects(cluster, settings({}), Waiter(cluster, threading.Event()))  # type: ignore[arg-type]
    inputs = dict(item.document)
    inputs["metadata"] = {**inputs["metadata"], "annotations": {"pulumi.com/skipAwait": "true"}}
    asked = Request("urn:pulumi:s::p::kubernetes:postgresql.cnpg.io/v1:Cluster::x", inputs, 0.2)
    state = objects.create(asked, preview=False)
    objects.delete(asked, state)
    assert cluster.live == {}
    assert cluster.deleted == ["httt-portal-data/portal-db Foreground"]


@pytest.mark.parametrize(("lock", "rule_id"), [("protect", "data-protected"), ("retain", "data-retained")])
def test_the_engines_two_locks_are_on_and_their_absence_is_refused(lock: str, rule_id: str) -> None:
    assert broken(rule_id, data()) == []
    assert DATABASE in broken(rule_id, [replace(i, options={**i.options, lock: False}) for i in data()])


_ADMISSION = cel.NewEnv(
    variables=dict.fromkeys(("request", "object", "oldObject", "namespaceObject", "variables"), cel.Type.DYN),
    extensions=[ext_optional.ExtOptional()],
)


def evaluated(expression: str, told: Document) -> Any:
    value = _ADMISSION.compile(expression).eval(data=told)
    assert value.type() != cel.Type.ERROR, (expression, value)
    return value.plain_value()


def deletion(user: str, groups: list[str], namespace_labels: Document, *, kind: str = "clusters") -> Document:
    """Return what the admission policy is told of one deletion."""
    group = "" if kind == "persistentvolumeclaims" else "postgresql.cnpg.io"
    return {
        "request": {
            "operation": "DELETE",
            "name": "portal-db",
            "namespace": "httt-portal-data",
            "resource": {"group": group, "resource": kind},
            "userInfo": {"username": user, "groups": groups},
        },
        "object": None,
        "oldObject": {"metadata": {"name": "portal-db", "namespace": "httt-portal-data"}},
        "namespaceObject": {"metadata": {"labels": namespace_labels}},
    }


def refused(asked: Document) -> list[str]:
    """Return the messages of the policy's validations that a deletion fails, as the API server evaluates them."""
    spec = keeping.policy(production().facts)["spec"]
    variables: Document = {}
    told = {**asked, "variables": variables}
    for each in spec["variables"]:
        variables[each["name"]] = evaluated(each["expression"], told)
    return [each["message"] for each in spec["validations"] if evaluated(each["expression"], told) is not True]


@pytest.mark.parametrize("identity", ["data", "platform", "tenancy", "deploy-portal"])
@pytest.mark.parametrize("kind", ["persistentvolumeclaims", "namespaces", "persistentvolumes"])
def test_the_api_server_keeps_volumes_of_files_their_namespace_and_what_their_claim_let_go(
    kind: str, identity: str
) -> None:
    labels = dict(production().facts.namespaces["httt-portal-app"])
    user, groups = naming.identity_user(identity), [naming.identity_group(identity)]
    asked = deletion(user, groups, labels, kind="persistentvolumeclaims")
    asked["request"] |= {"name": "httt-portal-app", "resource": {"group": "", "resource": kind}}
    asked["oldObject"] = {
        "metadata": {"name": "httt-portal-app", "labels": labels},
        "spec": {"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "httt-portal-app"}},
    }
    assert refused(asked)[0].startswith("data-kept: Only break-glass deletes")
    # Where no volume of files lies, pods and their namespace may go.
    free = dict(production().facts.namespaces["httt-feedback-app"])
    asked["namespaceObject"]["metadata"]["labels"] = asked["oldObject"]["metadata"]["labels"] = free
    assert kind == "persistentvolumes" or not any("data-kept" in why for why in refused(asked))


@pytest.mark.parametrize("kind", ["clusters", "scheduledbackups", "persistentvolumeclaims"])
@pytest.mark.parametrize("identity", ["data", "platform", "tenancy", "deploy-portal"])
def test_the_api_server_refuses_the_deletion_to_everybody_but_break_glass(kind: str, identity: str) -> None:
    labels = dict(production().facts.namespaces["httt-portal-data"])
    (why,) = refused(deletion(naming.identity_user(identity), [naming.identity_group(identity)], labels, kind=kind))
    assert why.startswith("data-kept: Only break-glass deletes")
    assert refused(deletion(naming.identity_user("break-glass"), [], labels, kind=kind)) == []
    # The danger: with another label on the namespace nothing would be kept; that label is judged by other rules.
    assert refused(deletion("kubernetes-admin", ["system:masters"], {}, kind=kind)) == []
    assert refused(deletion("kubernetes-admin", ["system:masters"], labels, kind=kind))


def written(identity: str, kind: str, name: str, old: Document | None, new: Document) -> list[str]:
    """Return what the policy says to an identity that makes or changes this."""
    labels = dict(production().facts.namespaces["httt-portal-app"])
    asked = deletion(naming.identity_user(identity), [naming.identity_group(identity)], labels, kind=kind)
    group = "" if kind in ("namespaces", "persistentvolumeclaims") else "postgresql.cnpg.io"
    asked["request"] |= {"operation": "UPDATE" if old else "CREATE", "name": name}
    asked["request"]["resource"] = {"group": group, "resource": kind}
    return [why.partition(":")[0] for why in refused(asked | {"object": new, "oldObject": old})]


def metadata(name: str, **more: Any) -> Document:
    return {"metadata": {"name": name, "labels": dict(production().facts.namespaces[name]), **more}}


@pytest.mark.parametrize("identity", ["tenancy", "platform"])
def test_the_label_that_keeps_files_is_taken_off_by_nobody_but_break_glass(identity: str) -> None:
    old, new = metadata("httt-portal-app"), metadata("httt-portal-app")
    assert written(identity, "namespaces", "httt-portal-app", old, new) == []
    del new["metadata"]["labels"]["dcshift.gov.vn/giu-tep"]
    assert written(identity, "namespaces", "httt-portal-app", old, new) == ["files-stay-kept"]
    assert written("break-glass", "namespaces", "httt-portal-app", old, new) == []
    # A system whose first volume comes gets it, and one without never had it.
    assert written(identity, "namespaces", "httt-portal-app", new, old) == []
    free = metadata("httt-feedback-app")
    assert written(identity, "namespaces", "httt-feedback-app", free, free) == []


@pytest.mark.parametrize(
    ("identity", "kind", "name"),
    [
        ("tenancy", "namespaces", "httt-portal-data"),
        ("tenancy", "namespaces", "httt-portal-app"),
        ("data", "clusters", "portal-db"),
        ("data", "persistentvolumeclaims", "portal-files-templates"),
    ],
)
def test_what_holds_data_is_given_no_owner_with_which_the_collector_would_take_it(
    identity: str, kind: str, name: str
) -> None:
    old = metadata(name) if kind == "namespaces" else {"metadata": {"name": name}}
    gone = {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "0"}
    owned = {"metadata": {**old["metadata"], "ownerReferences": [gone]}}
    assert written(identity, kind, name, old, owned) == ["kept-without-owner"]
    if kind != "namespaces":  # of one that is new nothing old can be read, and here every variable is
        assert written(identity, kind, name, None, owned) == ["kept-without-owner"]
    assert written("break-glass", kind, name, old, owned) == []
    # Whoever owned it before changes nothing by any other change.
    assert written(identity, kind, name, owned, owned) == []


def test_the_volumes_outlive_their_claims() -> None:
    """CloudNativePG deletes the claims of a cluster that is deleted; a class that retains keeps what was in them."""
    item = next(each for each in data() if each.identity == DATABASE)
    document = {**item.document, "spec": {**item.document["spec"], "storage": {"size": "1Gi", "storageClass": "fast"}}}
    assert broken("database-on-kept-volumes", [replace(item, document=document)]) == [DATABASE]
    assert broken("database-on-kept-volumes", [item]) == []
    (lab_class,) = [each for each in documents.storage() if each["kind"] == "StorageClass"]
    assert lab_class["metadata"]["name"] == item.document["spec"]["storage"]["storageClass"]
    assert lab_class["reclaimPolicy"] == "Retain"
