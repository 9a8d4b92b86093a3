"""The API server and the engine themselves give the verdicts that are computed offline."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from infra.rules.book import RULES, named
from infra.rules.judge import Item, breaches
from infra.rules.rule import Scope
from lab.api_server import ApiServer
from lab.errors import LabError
from lab.toolchain import tool_path
from tests.support.admission import refused
from tests.support.api_server_kinds import server_with_kinds
from tests.support.centres import STACKS, production, resource_of
from tests.support.planted import PLANTS, Plant, spoilt
from tests.support.project import ROOT, Project

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
MANIFESTS = 400
SEED = 20260802
Document = dict[str, Any]
PACK = ROOT / "infra/policy_pack/rules"
POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
# A bare pod that names limits alone is given equal requests before it is judged.
FILLED_IN = {"Pod": {"requests-and-limits"}}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that knows the operators' kinds and nothing else."""
    with server_with_kinds(tmp_path_factory.mktemp("api-server")) as api:
        yield api


@pytest.fixture(scope="module")
def project(empty: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A Pulumi project whose cluster is that API server."""
    try:
        for name in ("pulumi", "pulumi-language-python"):
            tool_path(name)
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    found = Project.make(tmp_path_factory.mktemp("project"), empty.kubeconfig)
    for stack in STACKS:
        found.run("stack", "init", stack)
    return found


@pytest.fixture(scope="module")
def server(empty: ApiServer) -> ApiServer:
    """The same with the namespaces of the centre and every rule; bindings only warn, so each rule's verdict is seen."""
    whole = production()
    for name, labels in whole.facts.namespaces.items():
        # Without pod security: it would answer before the rules do.
        kept = {key: value for key, value in labels.items() if "pod-security" not in key}
        # Policies that an earlier test took away are in force a moment longer.
        until(partial(allowed, empty, namespace(name, kept)))
        made(empty, "namespaces", namespace(name, kept))
    made(empty, "namespaces", namespace("cnpg-system", {}))
    for policy in whole.policies:
        made(empty, POLICIES, policy)
    for binding in whole.bindings:
        made(empty, BINDINGS, {**binding, "spec": {**binding["spec"], "validationActions": ["Warn"]}})
    until(lambda: len(warned(empty, planted("no-host-namespaces", "Pod"))) > 0)
    return empty


def namespace(name: str, labels: dict[str, str]) -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def allowed(api: ApiServer, document: Document) -> bool:
    return api.create("namespaces", document, dry_run=True).status_code == 201


def made(api: ApiServer, resource: str, document: Document) -> None:
    answer = api.create(resource, document)
    assert answer.status_code == 201, answer.text


def until(check: Any, limit_seconds: float = 240) -> None:
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


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_of_each_stack_passes_the_policy_pack(stack: str, project: Project) -> None:
    said = project.run("preview", "--policy-pack", str(PACK), stack=stack).text
    assert "dcshift-rules@v0.1.0" in said
    assert "Traceback" not in said


_CARELESS: Final = """
import pulumi
from infra import config, workload
from infra.stacks import layers
workload.image = lambda settings: "docker.io/library/nginx:1.27"
layers.build(config.read(pulumi.get_stack()))
"""


def test_a_preview_that_breaks_a_rule_is_refused_and_names_rule_and_object(empty: ApiServer, tmp_path: Path) -> None:
    """No setting of ours can break a rule, so the program itself is a careless one."""
    careless = Project.make(tmp_path, empty.kubeconfig)
    (careless.folder / "infra").unlink()
    (careless.folder / "infra").mkdir()
    (careless.folder / "infra" / "__main__.py").write_text(_CARELESS)
    careless.run("stack", "init", "portal")
    said = careless.run("preview", "--policy-pack", str(PACK), stack="portal", check=False)
    assert said.code != 0
    assert "[mandatory]  image-of-registry" in said.text
    assert "Deployment httt-portal-app/portal-web breaks it" in said.text


def test_a_setting_that_would_break_a_rule_is_refused_before_the_pack_is_asked(project: Project) -> None:
    project.run("config", "set", "release", "latest", stack="portal")
    try:
        said = project.run("preview", "--policy-pack", str(PACK), stack="portal", check=False)
    finally:
        project.run("config", "rm", "release", stack="portal")
    assert said.code != 0
    assert "dcshift:release" in said.text
    assert "not latest" in said.text


def test_the_policy_pack_knows_the_stacks_own_settings(project: Project) -> None:
    project.run("config", "set", "registry", "registry.example:5000", stack="portal")
    project.run("preview", "--policy-pack", str(PACK), stack="portal")
    project.run("config", "rm", "registry", stack="portal")


def test_the_declared_policies_are_made_once_and_do_not_drift(project: Project, empty: ApiServer) -> None:
    guard = ("--target", "**AdmissionGuard**", "--target", "**Identities**")
    project.up("platform", *guard)
    project.up("platform", "--expect-no-changes", *guard)
    project.run("refresh", "--yes", "--skip-preview", "--expect-no-changes", stack="platform")
    # Not by the engine: it waits for a controller that collects what is left, and none runs here.
    for resource in (BINDINGS, POLICIES):
        gone = empty.client.delete(f"/apis/admissionregistration.k8s.io/v1/{resource}?propagationPolicy=Background")
        assert gone.status_code == 200, gone.text


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
