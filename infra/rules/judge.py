"""Judges one object by one rule, with the evaluator of CEL that is written for C++; it starts and asks nothing."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

from infra import labels
from infra.rules.book import RULES
from infra.rules.facts import Facts
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import Area, Subject

Document = Mapping[str, Any]
_INPUTS: Final = ("object", "namespaceObject", "variables", "objects", "options")
_ENVIRONMENT: Final = cel.NewEnv(
    variables=dict.fromkeys(_INPUTS, cel.Type.DYN), extensions=[ext_optional.ExtOptional()]
)


def options(
    *, protect: bool, deleted_first: bool, ignored: Sequence[str], retain: bool | None = None
) -> dict[str, bool]:
    """Return the engine's options as rules speak of them; `retain` is None where the asker is not told."""
    known = {"protect": protect, "deletedFirst": deleted_first, "birthIgnored": set(_BIRTH) <= set(ignored)}
    return known if retain is None else {**known, "retain": retain}


_BIRTH: Final = ("spec.bootstrap", "spec.externalClusters")


@dataclass(frozen=True, slots=True)
class Item:
    """One declared object, with the engine's options as far as the asker knows them."""

    document: Document
    options: Mapping[str, bool] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        metadata = self.document.get("metadata", {})
        where = metadata.get("namespace")
        return f"{self.document.get('kind')} {where + '/' if where else ''}{metadata.get('name', '')}"


@dataclass(frozen=True, slots=True)
class Breach:
    """An object that does not keep a rule."""

    rule: Rule
    identity: str

    def __str__(self) -> str:
        return f"{self.identity} breaks {self.rule.message}"


@functools.cache
def compiled(expression: str) -> cel.Expression:
    """Return an expression ready to be evaluated. Raises `RuntimeError` where it is not CEL."""
    return _ENVIRONMENT.compile(expression)


def evaluate(expression: str, data: Mapping[str, Any]) -> Any:
    """Return an expression's value; `ValueError` where the evaluation ends in an error."""
    found = compiled(expression).eval(data=data)
    if found.type() == cel.Type.ERROR:
        raise ValueError(str(found.value()))
    return found.plain_value()


def concerns(subject: Subject, document: Document, facts: Facts) -> bool:
    """Return whether a subject's rules speak of this object: its kind, and the place where it lies."""
    if (document.get("apiVersion"), document.get("kind")) not in _kinds(subject):
        return False
    metadata = document.get("metadata", {})
    if subject.area is Area.NAMESPACES:
        return metadata.get("name", "").startswith("httt-") or labels.SYSTEM in (metadata.get("labels") or {})
    place = facts.namespaces.get(metadata.get("namespace", ""), {})
    return labels.SYSTEM in place and place.get(labels.TIER) in subject.area.tiers


@functools.cache
def _kinds(subject: Subject) -> frozenset[tuple[str, str]]:
    return frozenset((kind.api_version, kind.name) for kind in subject.kinds)


class Case:
    """One object before the rules; what it is asked for is evaluated once."""

    def __init__(self, item: Item, facts: Facts, objects: Sequence[Document] = ()) -> None:
        self._item, self._facts = item, facts
        namespace = item.document.get("metadata", {}).get("namespace", "")
        self._data = {
            "object": dict(item.document),
            "namespaceObject": {"metadata": {"labels": dict(facts.namespaces.get(namespace, {}))}},
            "objects": list(objects),
            "options": dict(item.options),
        }
        self._known: dict[Subject, dict[str, Any]] = {}

    def keeps(self, rule: Rule) -> bool:
        """Return whether the object keeps a rule; an error of evaluation breaks it, as it does at the API server."""
        try:
            found = evaluate(rule.expression, {**self._data, "variables": self._variables(rule.subject)})
        except ValueError:
            return False
        return found is True

    def _variables(self, subject: Subject) -> dict[str, Any]:
        if subject not in self._known:
            variables = dict(self._facts.constants)
            for name, expression in subject.variables:
                # A word that cannot be evaluated stays unknown, and what asks for it ends in an error.
                try:
                    variables[name] = evaluate(expression, {**self._data, "variables": variables})
                except ValueError:
                    continue
            self._known[subject] = variables
        return self._known[subject]


def _place(document: Document) -> str:
    """Return the namespace that an object lies in; of a namespace, itself."""
    metadata = document.get("metadata", {})
    return str(metadata.get("name" if document.get("kind") == "Namespace" else "namespace") or "")


def breaches(items: Sequence[Item], facts: Facts, rules: Sequence[Rule] = RULES) -> Iterator[Breach]:
    """Yield every rule that an object of a stack breaks; `items` are all objects of that stack."""
    neighbours: dict[str, list[Document]] = defaultdict(list)
    for item in items:
        neighbours[_place(item.document)].append(item.document)
    for item in items:
        asked = [rule for rule in rules if concerns(rule.subject, item.document, facts)]
        stands_by_others = any(rule.scope is Scope.STACK for rule in asked)
        # Not the whole stack: each evaluation copies what it is given, and one of many systems would copy all of them.
        whole = Case(item, facts, neighbours[_place(item.document)] if stands_by_others else ())
        yield from (Breach(rule, item.identity) for rule in asked if not whole.keeps(rule))
