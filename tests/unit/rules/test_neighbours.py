"""A rule that looks at other objects sees those of one namespace: what many systems declare is not copied for each."""

from __future__ import annotations

from infra.rules.book import RULES
from infra.rules.judge import breaches
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import NAMESPACES
from tests.support.centres import production
from tests.support.declared import GROUNDS

_OWN = "o.kind == 'Namespace' ? o.metadata.name == object.metadata.name : o.metadata.namespace == object.metadata.name"


def _asked(condition: str) -> Rule:
    return Rule("asked", "Asked.", "quotas", NAMESPACES, condition, scope=Scope.STACK)


def test_a_namespace_is_judged_beside_all_that_lies_in_it_and_nothing_else() -> None:
    centre = production()
    items = [item for ground in GROUNDS for item in centre.stacks[ground]]
    assert len({item.document["metadata"]["name"] for item in items if item.document["kind"] == "Namespace"}) > 3
    asked = [_asked(f"objects.all(o, {_OWN})"), _asked("objects.exists(o, o.kind == 'ResourceQuota')")]
    assert list(breaches(items, centre.facts, asked)) == []
    assert len(list(breaches(items, centre.facts, [_asked("!objects.exists(o, o.kind == 'Role')")]))) > 3


def test_no_rule_asks_for_objects_of_another_namespace() -> None:
    chosen = [rule for rule in RULES if rule.scope is Scope.STACK]
    assert len(chosen) > 3
    for rule in chosen:
        assert rule.condition.count("objects.exists(o, o.kind") == rule.condition.count("objects"), rule.id
        assert "o.metadata.namespace == object.metadata.name" in rule.condition, rule.id
