"""The difference that people review before a deployment: by field, bounded, and no secret is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.deploy.expectations import Change, changes, rows, told
from infra.deploy.fields import FIELDS_MAX, changed
from infra.hiding import HIDDEN

SECRET = "hunter2hunter2"
SIGNATURE = "4dabf18193072939515e22adb298388d"
TOKEN = "eyJhbGciOiJSUzI1.eyJzdWIiOiJwb3J0.c2lnbmF0dXJl"


def said(old: Any, new: Any) -> list[str]:
    return [str(each) for each in changed(old, new)[0]]


def pod(*environment: dict[str, Any], **container: Any) -> dict[str, Any]:
    containers = [{"name": "web", "env": list(environment), **container}]
    return {"kind": "Deployment", "spec": {"replicas": 1, "template": {"spec": {"containers": containers}}}}


def test_image_variables_and_numbers_are_told_by_their_names() -> None:
    old = pod({"name": "A", "value": "1"}, {"name": "GONE", "value": "x"}, image="portal:1")
    new = pod({"name": "NEW", "value": "y"}, {"name": "A", "value": "2"}, image="portal:2")
    new["spec"]["replicas"] = 3
    assert said(old, new) == [
        "spec.replicas: 1 → 3",
        "spec.template.spec.containers[web].env[A].value: 1 → 2",
        "spec.template.spec.containers[web].env[GONE].name: GONE → (nothing)",
        "spec.template.spec.containers[web].env[GONE].value: x → (nothing)",
        "spec.template.spec.containers[web].env[NEW].name: (nothing) → NEW",
        "spec.template.spec.containers[web].env[NEW].value: (nothing) → y",
        "spec.template.spec.containers[web].image: portal:1 → portal:2",
    ]


def test_another_order_of_named_parts_is_no_change() -> None:
    one, other = {"name": "A", "value": "1"}, {"name": "B", "value": "2"}
    assert said(pod(one, other), pod(other, one)) == []


def test_lists_without_names_are_told_by_place() -> None:
    assert said({"args": ["a", "b"]}, {"args": ["a", "c", "d"]}) == ["args[1]: b → c", "args[2]: (nothing) → d"]


def test_a_document_inside_a_text_is_told_by_its_own_fields() -> None:
    old, new = ({"data": {"contract.json": json.dumps({"web": {"release": each}, "n": 1})}} for each in "12")
    assert said(old, new) == ["data[contract.json].web.release: 1 → 2"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pod({"name": "DB_PASSWORD", "value": SECRET}), pod({"name": "DB_PASSWORD", "value": f"{SECRET}!"})),
        (pod(), pod({"name": "DB_PASSWORD", "value": SECRET})),
        (pod({"name": "DB_PASSWORD", "value": SECRET}), pod()),
        ({}, pod({"name": "API_TOKEN", "value": SECRET})),
        ({"spec": {"apiKey": SECRET}}, {"spec": {"apiKey": "other"}}),
        ({"spec": {"credentials": {"of": {"it": SECRET}}}}, {"spec": {"credentials": {"of": {"it": "x"}}}}),
        ({"spec": {"token": [SECRET]}}, {"spec": {"token": {"a": SECRET}}}),
        ({"kind": "Secret", "data": {"a": SECRET}}, {"kind": "Secret", "data": {"a": "x", "b": SECRET}}),
        ({"a": {SIGNATURE: "1b", "plaintext": SECRET}}, {"a": {SIGNATURE: "1b", "plaintext": "x"}}),
        ({"a": SECRET}, {"a": "[secret]"}),
        ({"url": f"postgres://u:{SECRET}@h/d"}, {"url": "postgres://h/d"}),
        ({"a": TOKEN}, {"a": "x"}),
        ({"data": {"x.json": json.dumps({"password": SECRET})}}, {"data": {"x.json": json.dumps({"password": "y"})}}),
    ],
)
def test_no_secret_is_shown(old: Any, new: Any) -> None:
    text = "\n".join(said(old, new))
    assert HIDDEN in text
    assert SECRET not in text
    assert TOKEN not in text


def test_the_name_of_a_secret_is_no_secret() -> None:
    def reference(name: str) -> dict[str, Any]:
        return pod({"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": "password"}}})

    where = "spec.template.spec.containers[web].env[PGPASSWORD].valueFrom.secretKeyRef.name"
    assert said(reference("portal-db-app"), reference("other")) == [f"{where}: portal-db-app → other"]


def test_a_long_value_is_cut_and_many_fields_are_counted() -> None:
    (only,) = said({"a": "x" * 5000}, {"a": "y"})
    assert len(only) < 150
    assert only.endswith("… → y")
    fields, more = changed({str(n): n for n in range(100)}, {})
    assert (len(fields), more) == (FIELDS_MAX, 100 - FIELDS_MAX)


def test_what_is_told_has_a_bound_however_much_changes() -> None:
    fields, more = changed({str(n): "x" * 500 for n in range(100)}, {})
    many = [Change("update", "ConfigMap", "a", f"c{n}", (), tuple(fields), more) for n in range(500)]
    lines, document = told(many), rows(many)
    assert lines[-1] == "… and 470 objects more"
    assert len("\n".join(lines)) < 100_000
    assert (len(document["objects"]), document["objects_left_out"]) == (30, 470)
    assert document["objects"][0]["fields_left_out"] == 80
    assert told([]) == ["nothing would change"]


def test_fields_are_those_of_what_is_there_before_and_after() -> None:
    def state(image: str) -> dict[str, Any]:
        inputs = {"kind": "Job", "metadata": {"name": "j", "namespace": "n"}, "spec": {"image": image}}
        return {"custom": True, "type": "kubernetes:batch/v1:Job", "inputs": inputs}

    both = {"oldState": state("1"), "newState": state("2")}
    steps = [{"op": op, **both} for op in ("create-replacement", "replace", "delete-replaced")]
    found = changes({"steps": [*steps, {"op": "create", "newState": state("3")}]})
    assert told(found) == [
        "create-replacement Job n/j",
        "replace Job n/j",
        "  spec.image: 1 → 2",
        "delete-replaced Job n/j",
        "create Job n/j",
    ]
    assert rows(found)["objects"][1] == {
        "op": "replace",
        "object": "Job n/j",
        "fields": [{"field": "spec.image", "old": "1", "new": "2"}],
        "fields_left_out": 0,
    }
