"""What belongs to a pool of nodes is declared there whole, and whatever leaves it, or enters another's, is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from infra.rules.book import named
from infra.rules.judge import Case, Item, breaches, concerns
from infra.rules.nodes import NODES
from infra.spreading import POOL, on
from tests.support.centres import STACKS, apart

Document = dict[str, Any]


def choosers(document: Document) -> Iterator[Document]:
    """Yield every part of an object that chooses nodes."""
    spec = document["spec"]
    if document["kind"] == "Cluster":
        yield spec["affinity"]
    elif document["kind"] == "CronJob":
        yield spec["jobTemplate"]["spec"]["template"]["spec"]
    else:
        yield spec if document["kind"] == "Pod" else spec["template"]["spec"]


def of_systems() -> list[tuple[str, Document]]:
    """Return (rule, object) of everything that the rules of nodes speak of."""
    facts = apart().facts
    return [(rule.id, each) for each in apart().documents for rule in NODES if concerns(rule.subject, each, facts)]


@pytest.mark.parametrize("stack", STACKS)
def test_a_centre_with_pools_keeps_every_rule(stack: str) -> None:
    assert [str(breach) for breach in breaches(apart().stacks[stack], apart().facts)] == []


def test_everything_of_a_system_stands_in_its_pool_and_nothing_of_one_that_has_none() -> None:
    kinds = set()
    for _, document in of_systems():
        own = "portal" if "-portal-" in document["metadata"]["namespace"] else None
        for chooser in choosers(document):
            assert {key: chooser.get(key) for key in on("x")} == (on(own) or dict.fromkeys(on("x"))), document["kind"]
        kinds.add(document["kind"])
    assert kinds == {"Cluster", "Pooler", "Deployment", "StatefulSet", "CronJob", "Job", "Pod"}


def test_whatever_leaves_its_pool_or_enters_anothers_is_refused() -> None:
    refused = 0
    for rule_id, document in of_systems():
        rule = named(rule_id)
        assert Case(Item(document), apart().facts).keeps(rule)
        for selector, tolerations in (({}, None), ({POOL: "internet"}, "internet"), (None, "internet")):
            spoilt = copy.deepcopy(document)
            for chooser in choosers(spoilt):
                if selector is not None:
                    chooser["nodeSelector"] = selector
                if tolerations is not None:
                    chooser["tolerations"] = on(tolerations)["tolerations"]
            if spoilt != document and choosers_of(spoilt) != choosers_of(document):
                kept = Case(Item(spoilt), apart().facts).keeps(rule)
                # Without a selector it leaves its pool; where none is declared that is how it stands.
                assert kept == (selector == {} and "-portal-" not in document["metadata"]["namespace"]), spoilt["kind"]
                refused += not kept
    assert refused > 20


def choosers_of(document: Document) -> list[Document]:
    return [{key: each.get(key) for key in on("x")} for each in choosers(document)]
