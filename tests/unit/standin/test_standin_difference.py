"""What the stand-in says has changed, and what of it needs a new object."""

from __future__ import annotations

import pytest
from standin.answers import diff_answer
from standin.difference import changes
from standin.kinds import Kind, immutable_paths, kind_of
from standin.values import UNKNOWN


def rules(token: str, *, mutable: bool = True) -> tuple[tuple[str, ...], ...]:
    return immutable_paths(kind_of(token), config_maps_mutable=mutable, secrets_mutable=mutable)


def test_equal_inputs_change_nothing() -> None:
    assert changes({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == []


def test_each_changed_field_is_named_by_its_path() -> None:
    old = {"spec": {"ports": [{"port": 80}], "gone": 1}, "metadata": {"labels": {"a.b/c": "x"}}}
    new = {"spec": {"ports": [{"port": 81}, {"port": 82}]}, "metadata": {"labels": {"a.b/c": "y"}}, "added": True}
    assert {(change.text, change.change) for change in changes(old, new)} == {
        ("spec.ports[0].port", "update"),
        ("spec.ports[1]", "add"),
        ("spec.gone", "delete"),
        ('metadata.labels["a.b/c"]', "update"),
        ("added", "add"),
    }


def test_a_value_that_becomes_null_is_deleted() -> None:
    assert [(c.text, c.change) for c in changes({"a": 1}, {"a": None})] == [("a", "delete")]


def test_what_is_known_only_after_the_update_counts_as_changed() -> None:
    assert [c.text for c in changes({"a": UNKNOWN}, {"a": UNKNOWN})] == ["a"]


@pytest.mark.parametrize(
    ("token", "path"),
    [
        ("kubernetes:core/v1:Service", "spec.clusterIP"),
        ("kubernetes:apps/v1:Deployment", "spec.selector.matchLabels.app"),
        ("kubernetes:apps/v1:StatefulSet", "spec.serviceName"),
        ("kubernetes:batch/v1:Job", "spec.template.spec.restartPolicy"),
        ("kubernetes:core/v1:PersistentVolumeClaim", "spec.storageClassName"),
        ("kubernetes:storage.k8s.io/v1:StorageClass", "provisioner"),
        ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "roleRef.name"),
        ("kubernetes:postgresql.cnpg.io/v1:Cluster", "spec.bootstrap.initdb.owner"),
        ("kubernetes:core/v1:ConfigMap", "metadata.name"),
        ("kubernetes:core/v1:ConfigMap", "metadata.namespace"),
    ],
)
def test_a_field_that_cannot_change_in_place_needs_a_new_object(token: str, path: str) -> None:
    (found,) = changes(nested(path, "old"), nested(path, "new"), rules(token))
    assert found.replaces, path


@pytest.mark.parametrize(
    ("token", "path"),
    [
        ("kubernetes:apps/v1:Deployment", "spec.template.spec.restartPolicy"),
        ("kubernetes:core/v1:PersistentVolumeClaim", "spec.resources.requests.storage"),
        ("kubernetes:batch/v1:CronJob", "spec.jobTemplate.spec.template.x"),
        ("kubernetes:postgresql.cnpg.io/v1:Cluster", "spec.instances"),
        # A kind of the same name in another group has nothing to do with CloudNativePG.
        ("kubernetes:cluster.x-k8s.io/v1:Cluster", "spec.bootstrap"),
    ],
)
def test_other_fields_change_in_place(token: str, path: str) -> None:
    (found,) = changes(nested(path, "old"), nested(path, "new"), rules(token))
    assert not found.replaces, path


def test_removing_the_whole_around_an_immutable_field_needs_a_new_object_too() -> None:
    (found,) = changes({"spec": {"selector": {}}}, {}, rules("kubernetes:apps/v1:Deployment"))
    assert (found.text, found.replaces) == ("spec", True)


def test_a_config_map_is_replaced_unless_the_program_says_it_may_change() -> None:
    old, new = {"data": {"a": "1"}}, {"data": {"a": "2"}}
    assert changes(old, new, rules("kubernetes:core/v1:ConfigMap", mutable=False))[0].replaces
    assert not changes(old, new, rules("kubernetes:core/v1:ConfigMap"))[0].replaces


def test_without_a_new_name_the_present_object_must_go_first() -> None:
    job = rules("kubernetes:batch/v1:Job")
    same_name = diff_answer(changes({"spec": {"template": 1}}, {"spec": {"template": 2}}, job))
    assert same_name.deleteBeforeReplace
    assert list(same_name.replaces) == ["spec.template"]
    renamed = diff_answer(changes({"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, job))
    assert list(renamed.replaces) == ["metadata.name"]
    assert not renamed.deleteBeforeReplace


def test_no_change_is_answered_as_none() -> None:
    answer = diff_answer([])
    assert answer.changes == answer.DIFF_NONE
    assert not answer.replaces


def test_the_core_group_and_the_others_have_distinct_keys() -> None:
    assert Kind("v1", "Service").key == "/Service"
    assert Kind("apps/v1", "Deployment").key == "apps/Deployment"


def nested(path: str, value: str) -> dict[str, object]:
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}
