"""A replacement of data is found before anything is written, with its field; what it would do is shown to happen."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from standin.answers import diff_answer
from standin.difference import changes
from standin.kinds import immutable_paths, kind_of
from standin.objects import Objects, Request
from standin.settings import settings
from standin.waiting import Waiter

from infra.errors import InfraError
from infra.rules.keeping import KEPT
from infra.safety.replacing import FIELDS, refuse, replacements
from tests.support.declared import built_once
from tests.support.fake_cluster import FakeCluster
from tests.support.states import exported, with_changed

Document = dict[str, Any]
URN = "urn:pulumi:data::dcshift::kubernetes:postgresql.cnpg.io/v1:Cluster::portal-cluster-db"
TOKENS = {f"{kind.group}/{kind.name}": f"kubernetes:{kind.api_version}:{kind.name}" for kind in KEPT}


def database(**spec: Any) -> Request:
    metadata = {"name": "portal-db", "namespace": "httt-portal-data", "annotations": {"pulumi.com/skipAwait": "true"}}
    inputs = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": metadata, "spec": spec}
    return Request(URN, inputs, 0.2)


def said(spoilt: Any) -> list[str]:
    return sorted(str(each) for each in replacements(spoilt, exported(built_once("data"))))


def class_of(name: str) -> Any:
    def change(inputs: Document) -> None:
        inputs["spec"]["storage"]["storageClass"] = name

    return change


def test_a_replacement_by_making_first_leaves_no_database_at_all() -> None:
    """The danger: under one name the new object is the old one, and "delete the original" deletes it."""
    cluster = FakeCluster()
    objects = Objects(cluster, settings({}), Waiter(cluster, threading.Event()))  # type: ignore[arg-type]
    old = database(storage={"storageClass": "one"})
    state = objects.create(old, preview=False)
    new = database(storage={"storageClass": "two"})
    objects.create(new, preview=False)
    assert cluster.live
    objects.delete(old, state)
    assert cluster.live == {}


def test_the_plugin_asks_for_the_deletion_first_where_the_name_stays() -> None:
    found = changes({"spec": {"bootstrap": 1}}, {"spec": {"bootstrap": 2}}, (("spec", "bootstrap"),))
    assert diff_answer(found).deleteBeforeReplace


def test_every_changed_field_that_replaces_a_database_is_named_with_both_values() -> None:
    spoilt = with_changed(built_once("data"), "Cluster", class_of("fast"))
    assert said(spoilt) == [
        f"stack data: Cluster httt-{system}-data/{system}-db spec.storage.storageClass: local-retain → fast"
        for system in ("feedback", "portal")
    ]
    with pytest.raises(InfraError) as refused:
        refuse(replacements(spoilt, exported(built_once("data"))))
    assert refused.value.code == "data-would-be-replaced"
    assert "spec.storage.storageClass: local-retain → fast" in refused.value.why
    assert refused.value.state == "nothing was written"


def test_what_changes_in_place_is_no_replacement() -> None:
    def change(inputs: Document) -> None:
        inputs["spec"] |= {"instances": 7, "imageName": "other:17"}

    assert said(with_changed(built_once("data"), "Cluster", change)) == []
    assert said(built_once("data")) == []


def test_another_name_and_another_version_of_the_kind_are_named() -> None:
    def rename(inputs: Document) -> None:
        inputs["metadata"]["name"] = "portal-db2"

    (told,) = [each for each in said(with_changed(built_once("data"), "Cluster", rename)) if "portal-data" in each]
    assert told.endswith("Cluster httt-portal-data/portal-db metadata.name: portal-db → portal-db2")
    other = with_changed(built_once("data"), "Cluster", lambda _: None, type="kubernetes:postgresql.cnpg.io/v2:Cluster")
    assert "the whole object: declared → declared no more under this name" in said(other)[0]


def test_another_cluster_behind_the_provider_would_make_everything_anew() -> None:
    def change(inputs: Document) -> None:
        inputs["clusterIdentifier"] = "elsewhere"

    found = said(with_changed(built_once("data"), "kubernetes", change))
    assert len(found) == 4
    assert found[0].endswith("clusterIdentifier of its provider: khanhhoa-lab → elsewhere")


def test_a_data_namespace_that_is_declared_no_more_is_named_and_an_app_namespace_may_go() -> None:
    ground = built_once("ground.portal")
    spoilt = with_changed(ground, "Namespace", lambda _: None, name="another")
    (found,) = [str(each) for each in replacements(spoilt, exported(ground))]
    assert "httt-portal-data the whole object" in found


def test_data_that_may_be_destroyed_may_be_replaced() -> None:
    told = built_once("data", {"dataMayBeDestroyed": "true"})
    spoilt = with_changed(told, "Cluster", class_of("fast"))
    assert list(replacements(spoilt, exported(told))) == []


def test_a_stack_that_was_never_applied_has_nothing_to_lose() -> None:
    for empty in ({}, {"deployment": {}}, {"deployment": {"resources": None}}):
        assert list(replacements(built_once("data"), empty)) == []


def test_a_lost_bootstrap_section_would_make_an_empty_database_and_is_ignored() -> None:
    def lose(inputs: Document) -> None:
        del inputs["spec"]["bootstrap"]

    data = built_once("data")
    # The danger, with the engine told to ignore nothing: both the plugin and we call it a replacement.
    careless = said(with_changed(data, "Cluster", lose, ignored=()))
    assert "Cluster httt-portal-data/portal-db spec.bootstrap: another value → absent" in careless[1]
    assert said(with_changed(data, "Cluster", lose)) == []


def test_a_recovery_that_is_written_into_the_standing_stack_is_ignored_too() -> None:
    def recover(inputs: Document) -> None:
        inputs["spec"]["bootstrap"] = {"recovery": {"source": "old"}}
        inputs["spec"]["externalClusters"] = [{"name": "old"}]

    data = built_once("data")
    assert "spec.bootstrap.initdb" in said(with_changed(data, "Cluster", recover, ignored=()))[0]
    assert said(with_changed(data, "Cluster", recover)) == []


@pytest.mark.parametrize("key", FIELDS, ids=str)
def test_the_table_says_of_every_data_kind_what_the_plugin_says(key: str) -> None:
    kind = kind_of(TOKENS[key])
    rules = immutable_paths(kind, config_maps_mutable=True, secrets_mutable=True)
    assert {".".join(rule) for rule in rules} == set(FIELDS[key])


def test_every_kind_that_holds_data_has_its_row() -> None:
    assert FIELDS.keys() == TOKENS.keys()
