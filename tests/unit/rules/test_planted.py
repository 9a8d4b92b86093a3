"""Every rule refuses what was planted against it, and the declared centre keeps every rule."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from catalogue import norms
from catalogue.controls import IDS
from infra.rules.__main__ import text
from infra.rules.book import RULES, named
from infra.rules.judge import Case, Item, breaches, concerns
from infra.rules.rule import Rule, Scope
from tests.support.centres import STACKS, Centre, lab, production
from tests.support.planted import PLANTS, Plant
from tests.support.project import ROOT

ONE_OBJECT = [rule for rule in RULES if rule.scope in (Scope.OBJECT, Scope.DECLARED)]
CASES = [(rule_id, plant) for rule_id, plants in PLANTS.items() for plant in plants]


@pytest.fixture(params=[lab, production], ids=["a lab", "no lab"])
def centre(request: pytest.FixtureRequest) -> Centre:
    made: Centre = request.param()
    return made


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_keeps_every_rule(stack: str, centre: Centre) -> None:
    assert [str(breach) for breach in breaches(centre.stacks[stack], centre.facts)] == []


def test_no_rule_is_idle() -> None:
    """A rule that speaks of nothing we declare would be kept by anything; Secrets are what nobody may declare."""
    documents = production().documents
    idle = [r.id for r in RULES if not any(concerns(r.subject, each, production().facts) for each in documents)]
    assert idle == ["no-secret-declared"]


def test_every_rule_of_one_object_has_something_planted_against_it() -> None:
    assert PLANTS.keys() == {rule.id for rule in ONE_OBJECT} - {"no-secret-declared"}


@pytest.mark.parametrize(
    ("rule_id", "plant"), CASES, ids=[f"{rule_id}-{plant.path}-{at}" for at, (rule_id, plant) in enumerate(CASES)]
)
def test_what_is_planted_is_refused(rule_id: str, plant: Plant) -> None:
    rule, whole = named(rule_id), production()
    good = [d for d in whole.documents if d["kind"] == plant.kind and concerns(rule.subject, d, whole.facts)]
    assert good, f"nothing of kind {plant.kind} that {rule_id} speaks of"
    # Where a rule is asked from a level on, only systems of that level break it.
    refused = [keeps(rule, document) and not keeps(rule, plant.into(document)) for document in good]
    assert any(refused) if rule.level > 1 or plant.path == "metadata.name" else all(refused)


def keeps(rule: Rule, document: dict[str, Any]) -> bool:
    facts = production().facts
    return not concerns(rule.subject, document, facts) or Case(Item(document), facts).keeps(rule)


@pytest.mark.parametrize(
    ("rule_id", "kind", "system"),
    [("no-entering-pods", "Role", "feedback"), ("spread-over-hosts", "Deployment", "feedback")]
    + [(rule_id, PLANTS[rule_id][0].kind, "portal") for rule_id in (r.id for r in RULES if not r.in_lab)],
)
def test_a_level_that_does_not_ask_and_a_lab_are_excused(rule_id: str, kind: str, system: str) -> None:
    rule, plant, whole = named(rule_id), PLANTS[rule_id][0], lab()
    documents = [d for d in whole.documents if d["kind"] == kind and system in d["metadata"]["namespace"]]
    assert documents
    for document in documents:
        assert Case(Item(plant.into(document)), whole.facts).keeps(rule)


def broken(rule_id: str, items: Sequence[Item]) -> list[str]:
    return [breach.identity for breach in breaches(items, production().facts, [named(rule_id)])]


def without(stack: str, kind: str, name: str = "") -> list[Item]:
    found = production().stacks[stack]
    return [i for i in found if not (i.document["kind"] == kind and name in i.document["metadata"]["name"])]


@pytest.mark.parametrize(
    ("rule_id", "stack", "kind", "name", "culprit"),
    [
        ("namespace-denies-all", "ground.portal", "NetworkPolicy", "deny-all", "Namespace httt-portal-app"),
        ("namespace-is-limited", "ground.portal", "ResourceQuota", "", "Namespace httt-portal-app"),
        ("namespace-is-limited", "ground.feedback", "LimitRange", "", "Namespace httt-feedback-data"),
        ("disruption-budget", "portal", "PodDisruptionBudget", "", "Deployment httt-portal-app/portal-web"),
    ],
)
def test_what_is_missing_beside_an_object_is_told(rule_id: str, stack: str, kind: str, name: str, culprit: str) -> None:
    assert culprit in broken(rule_id, without(stack, kind, name))


def test_a_number_of_pods_beside_an_autoscaler_is_refused() -> None:
    items = production().stacks["portal"]
    plant = Plant("Deployment", "spec.replicas", 2)
    told = [replace(i, document=plant.into(dict(i.document))) if i.document["kind"] == plant.kind else i for i in items]
    assert broken("autoscaled-without-replicas", told) == ["Deployment httt-portal-app/portal-web"]


@pytest.mark.parametrize(
    ("rule_id", "stack", "option"),
    [
        ("data-protected", "data", "protect"),
        ("data-retained", "data", "retain"),
        ("data-namespace-protected", "ground.portal", "protect"),
        ("data-namespace-retained", "ground.portal", "retain"),
    ],
)
def test_data_without_a_lock_is_refused_until_it_may_be_destroyed(rule_id: str, stack: str, option: str) -> None:
    open_ones = [replace(i, options={**i.options, option: False}) for i in production().stacks[stack]]
    found = broken(rule_id, open_ones)
    assert found
    # The portal's pods open a volume of files: their namespace holds data, too.
    files = ("Namespace httt-portal-app", "PersistentVolumeClaim httt-portal-app/portal-files-templates")
    assert all("data" in identity or "-db" in identity or identity in files for identity in found)
    assert set(files) & set(found)
    facts = replace(production().facts, constants={**production().facts.constants, "dataMayBeDestroyed": True})
    assert not list(breaches(open_ones, facts, [named(rule_id)]))


@pytest.mark.parametrize(
    ("rule_id", "option"),
    [("database-birth-ignored", "birthIgnored"), ("data-replaced-after-deletion", "deletedFirst")],
)
def test_a_database_without_the_engines_care_is_refused_whatever_may_be_destroyed(rule_id: str, option: str) -> None:
    careless = [replace(i, options={**i.options, option: False}) for i in production().stacks["data"]]
    assert "Cluster httt-portal-data/portal-db" in broken(rule_id, careless)
    claim = "PersistentVolumeClaim httt-portal-app/portal-files-templates"
    assert (claim in broken(rule_id, careless)) == (option == "deletedFirst")
    facts = replace(production().facts, constants={**production().facts.constants, "dataMayBeDestroyed": True})
    assert list(breaches(careless, facts, [named(rule_id)]))


def test_a_secret_in_a_stack_is_refused() -> None:
    metadata = {"name": "x", "namespace": "httt-portal-app"}
    planted = Item({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    assert broken("no-secret-declared", [planted]) == ["Secret httt-portal-app/x"]


def test_what_lies_outside_every_system_is_not_judged() -> None:
    """The edge's own route has no host, operators' pods may be anything: another's namespace is not ours to rule."""
    documents = [copy.deepcopy(d) for d in production().documents if d["metadata"].get("namespace")]
    for document in documents:
        document["metadata"]["namespace"] = "cnpg-system"
    facts = production().facts
    assert not any(concerns(rule.subject, document, facts) for rule in RULES for document in documents)


def test_the_page_of_rules_is_written_from_the_rules() -> None:
    page = ROOT / "docs/rules.md"
    assert page.read_text(encoding="utf-8") == text(norms.named("vn-2016")), "python -m infra.rules > docs/rules.md"


def test_ids_are_unique_and_every_sentence_fits_an_answer_of_the_api_server() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.sentence.endswith(".")
        assert len(rule.message) < 200


@pytest.mark.parametrize("rule", [r for r in RULES if r.law in IDS], ids=lambda rule: str(rule.id))
def test_a_rule_is_asked_from_the_level_at_which_its_control_is(rule: Rule) -> None:
    """Below it a rule may stand as our own habit; above it, a level would be promised what nobody checks."""
    row = norms.named("vn-2016").row(rule.law)
    asked = [level for level, value in zip(norms.LEVELS, row.levels, strict=True) if value not in (False, None, "none")]
    assert rule.level <= asked[0]
