"""The API server and the engine themselves give the verdicts that are computed offline."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.rules.book import RULES, named
from infra.rules.judge import Item, breaches
from infra.rules.rule import Scope
from lab.errors import LabError
from lab.paths import cache
from lab.toolchain import tool_path
from tests.support.admission import refused
from tests.support.api_server import ApiServer, api_server
from tests.support.centres import production, resource_of
from tests.support.planted import PLANTS, Plant, spoilt

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
MANIFESTS = 400
SEED = 20260802
Document = dict[str, Any]
CRDS = "customresourcedefinitions"
POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
# A bare pod that names limits alone is given equal requests before it is judged.
FILLED_IN = {"Pod": {"requests-and-limits"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with the operators' kinds, the namespaces of the centre, and every rule; bindings only warn."""
    try:
        for name in ("etcd", "kube-apiserver"):
            tool_path(name)
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    files = sorted((cache() / "manifests").glob("*/*.yaml"))
    if not files:
        pytest.skip("the cache has no operators' manifests yet: make setup")
    whole = production()
    with api_server(tmp_path_factory.mktemp("api-server")) as api:
        for file in files:
            for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
                if document and document["kind"] == "CustomResourceDefinition":
                    made(api, CRDS, document)
        for name, labels in whole.facts.namespaces.items():
            # Without pod security: it would answer before the rules do.
            kept = {key: value for key, value in labels.items() if "pod-security" not in key}
            made(
                api, "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": kept}}
            )
        made(api, "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cnpg-system"}})
        for policy in whole.policies:
            made(api, POLICIES, policy)
        for binding in whole.bindings:
            made(api, BINDINGS, {**binding, "spec": {**binding["spec"], "validationActions": ["Warn"]}})
        until(lambda: len(warned(api, planted("no-host-namespaces", "Pod"))) > 0)
        yield api


def made(api: ApiServer, resource: str, document: Document) -> None:
    answer = api.create(resource, document)
    assert answer.status_code == 201, answer.text


def until(check: Any, limit_seconds: float = 30) -> None:
    end = time.monotonic() + limit_seconds
    while not check():
        assert time.monotonic() < end, "the policies are not in force"
        time.sleep(0.2)


def planted(rule_id: str, kind: str) -> Document:
    plant: Plant = next(each for each in PLANTS[rule_id] if each.kind == kind)
    return plant.into(next(each for each in production().documents if each["kind"] == kind))


def warned(api: ApiServer, document: Document) -> set[str]:
    """Return the ids of the rules that the server warns of; fails if it refuses the object for another reason."""
    answer = api.create(resource_of(document), document, dry_run=True)
    assert answer.status_code == 201, answer.text
    return ids(answer.headers.get_list("warning"))


def ids(warnings: list[str]) -> set[str]:
    return {rule.id for rule in RULES for text in warnings if f": {rule.id}: " in text}


def fresh(document: Document, number: int) -> Document:
    """Return it under another name: in a dry run, too, a name is made once."""
    if document["kind"] == "Namespace":
        return document
    return {**document, "metadata": {**document["metadata"], "name": f"{document['metadata']['name'][:40]}-{number}"}}


def test_the_server_takes_the_whole_centre_without_a_word(server: ApiServer) -> None:
    documents = [each for each in production().documents if each["kind"] != "Namespace"]
    assert len(documents) > 80
    for document in documents:
        if document["metadata"]["namespace"].startswith("httt-"):
            assert warned(server, document) == set(), document


def test_the_server_gives_the_verdicts_that_are_computed_offline(server: ApiServer) -> None:
    whole, dice = production(), random.Random(SEED)
    compared, invalid, refusals = 0, 0, set()
    for number in range(MANIFESTS * 4):
        document = dice.choice(whole.documents)
        if document["kind"] == "Namespace" or not document["metadata"]["namespace"].startswith("httt-"):
            continue
        document = fresh(spoilt(document, dice), number)
        answer = server.create(resource_of(document), document, dry_run=True)
        if answer.status_code != 201:
            # No object at all: a field of another type, a name that is none. The rules are not asked.
            assert answer.status_code in (400, 422), answer.text
            invalid += 1
            continue
        expected = {
            text.partition(":")[0]
            for text in refused(document, resource_of(document), whole.policies, whole.bindings, whole.facts.namespaces)
        }
        found = ids(answer.headers.get_list("warning"))
        filled_in = FILLED_IN.get(document["kind"], set())
        assert found - filled_in == expected - filled_in, (document, answer.headers.get_list("warning"))
        refusals |= found
        compared += 1
        if compared == MANIFESTS:
            break
    assert compared >= 200
    assert len(refusals) > 35
    print(f"{compared} compared, {invalid} refused before the rules, {len(refusals)} rules broken")


@pytest.mark.parametrize("rule_id", [rule.id for rule in RULES if rule.scope is Scope.OBJECT])
def test_the_server_sees_what_is_planted_against_each_rule(rule_id: str, server: ApiServer) -> None:
    whole, seen = production(), 0
    for number, plant in enumerate(PLANTS[rule_id]):
        for document in [each for each in whole.documents if each["kind"] == plant.kind]:
            spoiled = fresh(plant.into(document), number)
            if rule_id not in {b.rule.id for b in breaches([Item(spoiled)], whole.facts, [named(rule_id)])}:
                continue
            if document["kind"] == "Namespace":
                spoiled["metadata"]["name"] = f"httt-another-{number}"
            answer = server.create(resource_of(spoiled), spoiled, dry_run=True)
            if answer.status_code == 201:
                assert rule_id in ids(answer.headers.get_list("warning")), (plant, answer.headers)
                seen += 1
            break
    assert seen, "the server took none of the plants as an object"


def test_a_refusal_names_rule_and_sentence_and_others_namespaces_are_left_alone(server: ApiServer) -> None:
    document = planted("no-host-namespaces", "Pod")
    whole = production()
    for binding in whole.bindings:
        path = f"/apis/admissionregistration.k8s.io/v1/{BINDINGS}/{binding['metadata']['name']}"
        changed = server.client.patch(
            path,
            json={"spec": {"validationActions": ["Deny"]}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert changed.status_code == 200, changed.text
    until(lambda: server.create("pods", document, dry_run=True).status_code == 422)
    answer = server.create("pods", document, dry_run=True)
    assert f"denied request: {named('no-host-namespaces').message}" in answer.json()["message"]
    elsewhere = {**document, "metadata": {"name": "operator", "namespace": "cnpg-system"}}
    assert server.create("pods", elsewhere, dry_run=True).status_code == 201
