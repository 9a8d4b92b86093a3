"""Judges an object as the API server would, from the written policies and bindings alone; it knows no rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.rules.judge import evaluate

Document = Mapping[str, Any]


def refused(
    document: Document, resource: str, policies: list[Any], bindings: list[Any], namespaces: Mapping[str, Any]
) -> set[str]:
    """Return the messages of all validations that a new object fails, as if every binding only warned."""
    chosen = {binding["spec"]["policyName"]: binding["spec"] for binding in bindings}
    found: set[str] = set()
    for policy in policies:
        binding = chosen[policy["metadata"]["name"]]
        if _matches(policy["spec"]["matchConstraints"], document, resource) and _bound(binding, document, namespaces):
            found |= _failed(policy["spec"], document, namespaces)
    return found


def _matches(constraints: Document, document: Document, resource: str) -> bool:
    group, _, version = document["apiVersion"].rpartition("/")
    return any(
        group in rule["apiGroups"]
        and version in rule["apiVersions"]
        and resource in rule["resources"]
        and "CREATE" in rule["operations"]
        for rule in constraints["resourceRules"]
    )


def _bound(binding: Document, document: Document, namespaces: Mapping[str, Any]) -> bool:
    selector = binding.get("matchResources", {}).get("namespaceSelector", {})
    name = document["metadata"].get("namespace", "")
    labels = {"kubernetes.io/metadata.name": name, **namespaces.get(name, {})}  # the server gives every namespace that
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for needed in selector.get("matchExpressions", []):
        match needed["operator"]:
            case "Exists":
                holds = needed["key"] in labels
            case "In":
                holds = labels.get(needed["key"]) in needed["values"]
            case other:
                raise AssertionError(f"a selector of an unknown kind: {other}")
        if not holds:
            return False
    return True


def _failed(spec: Document, document: Document, namespaces: Mapping[str, Any]) -> set[str]:
    labels = namespaces.get(document["metadata"].get("namespace", ""), {})
    variables: dict[str, Any] = {}
    data = {
        "object": dict(document),
        "namespaceObject": {"metadata": {"labels": dict(labels)}},
        "variables": variables,
    }
    for each in spec["matchConditions"]:
        if not evaluate(each["expression"], data):
            return set()
    for each in spec["variables"]:
        try:
            variables[each["name"]] = evaluate(each["expression"], data)
        except ValueError:
            continue
    return {each["message"] for each in spec["validations"] if not _holds(each["expression"], data)}


def _holds(expression: str, data: Mapping[str, Any]) -> bool:
    try:
        return evaluate(expression, data) is True
    except ValueError:
        return False
