"""Writes the rules as ValidatingAdmissionPolicies: one a subject, every rule word for word."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final

from infra import labels
from infra.rules.book import RULES
from infra.rules.facts import Facts
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import Area, Kind, Subject

Document = dict[str, Any]
API_VERSION: Final = "admissionregistration.k8s.io/v1"
_PREFIX: Final = "dcshift-"
# What is being deleted must be let go, also what was made before the rules were.
_NOT_BEING_DELETED: Final = {
    "name": "not-being-deleted",
    "expression": "!object.metadata.?deletionTimestamp.hasValue()",
}
_OF_A_SYSTEM: Final = {
    "name": "of-a-system",
    "expression": "object.metadata.name.startsWith('httt-') "
    f"|| '{labels.SYSTEM}' in object.metadata.?labels.orValue({{}})",
}


def subjects() -> dict[Subject, list[Rule]]:
    """Return the rules that the API server can judge, by subject."""
    found: dict[Subject, list[Rule]] = {}
    for rule in RULES:
        if rule.scope is Scope.OBJECT:
            found.setdefault(rule.subject, []).append(rule)
    return found


def policies(facts: Facts) -> list[Document]:
    """Return one ValidatingAdmissionPolicy for each subject."""
    return [policy(subject, rules, facts) for subject, rules in subjects().items()]


def bindings() -> list[Document]:
    """Return one binding for each policy: it refuses, in the namespaces of information systems and nowhere else."""
    return [_binding(subject) for subject in subjects()]


def policy(subject: Subject, rules: list[Rule], facts: Facts) -> Document:
    """Return the ValidatingAdmissionPolicy that asks these rules of one subject."""
    known = [*((name, _literal(value)) for name, value in facts.constants.items()), *subject.variables]
    conditions = [_NOT_BEING_DELETED, *([_OF_A_SYSTEM] if subject.area is Area.NAMESPACES else [])]
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _PREFIX + subject.id, "labels": LABELS},
        "spec": {
            # A rule that cannot be judged refuses; the policies are within the API server, so none is ever away.
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [_resource_rule(*key, kinds) for key, kinds in _grouped(subject)]},
            "matchConditions": conditions,
            "variables": [{"name": name, "expression": text} for name, text in _needed(known, rules)],
            "validations": [{"expression": rule.expression, "message": rule.message} for rule in rules],
        },
    }


LABELS: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}


def _binding(subject: Subject) -> Document:
    chosen = {
        "matchExpressions": [
            {"key": labels.SYSTEM, "operator": "Exists"},
            {"key": labels.TIER, "operator": "In", "values": list(subject.area.tiers)},
        ]
    }
    where = {} if subject.area is Area.NAMESPACES else {"matchResources": {"namespaceSelector": chosen}}
    return bound(_PREFIX + subject.id, where)


def bound(name: str, where: Document) -> Document:
    """Return the binding of a policy: it refuses, in the places that `where` chooses."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"policyName": name, "validationActions": ["Deny"], **where},
    }


def _grouped(subject: Subject) -> list[tuple[tuple[str, str], list[Kind]]]:
    def by(kind: Kind) -> tuple[str, str]:
        return kind.group, kind.version

    return [(key, list(kinds)) for key, kinds in itertools.groupby(sorted(subject.kinds, key=by), key=by)]


def _resource_rule(group: str, version: str, kinds: list[Kind]) -> Document:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE"],
        "resources": [kind.resource for kind in kinds],
        "scope": "*",
    }


def _needed(known: list[tuple[str, str]], rules: list[Rule]) -> list[tuple[str, str]]:
    """Return the variables that the rules mention, and those that these mention, in their order."""
    wanted = {name for rule in rules for name in _mentioned(rule.expression)}
    for name, text in reversed(known):
        if name in wanted:
            wanted |= _mentioned(text)
    return [(name, text) for name, text in known if name in wanted]


def _mentioned(expression: str) -> set[str]:
    return set(re.findall(r"\bvariables\.(\w+)", expression))


def _literal(value: Any) -> str:
    """Return a value as CEL writes it; JSON and CEL agree on texts, numbers, truth, lists and maps of texts."""
    return json.dumps(value, ensure_ascii=False)
