"""Rules of RBAC as data, made from kinds; a kind that holds data is never given with `delete`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from infra.rules.keeping import keeps
from infra.rules.subjects import Kind

Rule = dict[str, Any]
SEE: Final = ("get", "list", "watch")
# `patch` is what server-side apply sends; `update` adds nothing to it.
WRITE: Final = ("create", "update", "patch")


def rule(group: str, resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] | None = None) -> Rule:
    """Return one rule. Raises `ValueError` for an empty list of names: to the API server it would mean every name."""
    found: Rule = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    if names is None:
        return found
    if not names:
        raise ValueError(f"a right to {', '.join(resources)} by name was given without a name")
    return {**found, "resourceNames": list(names)}


def on(kinds: Iterable[Kind], verbs: Sequence[str], names: Sequence[str] | None = None) -> list[Rule]:
    """Return the rules that give these verbs on these kinds, one a group."""
    groups: dict[str, list[str]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, []).append(kind.resource)
    return [rule(group, sorted(set(resources)), verbs, names) for group, resources in groups.items()]


def changing(kinds: Iterable[Kind]) -> list[Rule]:
    """Return the rules of one who declares these kinds: he deletes all but those that hold data."""
    everything = list(kinds)
    free = [kind for kind in everything if not keeps(kind)]
    return [
        *on(free, (*SEE, *WRITE, "delete")),
        *on([kind for kind in everything if keeps(kind)], (*SEE, *WRITE)),
    ]
