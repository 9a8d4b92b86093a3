"""Label selectors as Kubernetes reads them; pure. What it does not know, it refuses: a guess would open a door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: frozenset[str]

    def meets(self, labels: Labels) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                # True also for a label that is not there: the API's rule, and the one that people forget.
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                raise ValueError(f"operator {self.operator!r} of a label selector is not known")


@dataclass(frozen=True, slots=True)
class Selector:
    """All conditions must hold; none at all selects everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Selector:
        """Return a selector from its document. Raises `ValueError`."""
        given = document or {}
        if unknown := set(given) - {"matchLabels", "matchExpressions"}:
            raise ValueError(f"a label selector has no {', '.join(sorted(unknown))}")
        found = [Requirement(key, "In", frozenset([value])) for key, value in (given.get("matchLabels") or {}).items()]
        for each in given.get("matchExpressions") or []:
            made = Requirement(each["key"], each["operator"], frozenset(each.get("values") or []))
            made.meets({})  # an unknown operator is told here, not at the first question
            found.append(made)
        return cls(tuple(found))

    def meets(self, labels: Labels | None) -> bool:
        """Say whether labels meet all conditions; unknown labels may be any, so they always do."""
        return labels is None or all(each.meets(labels) for each in self.requirements)
