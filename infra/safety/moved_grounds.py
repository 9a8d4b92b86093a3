"""Grounds that lie in another stack's state than their own, as they all did before each had a stack; pure.

An `up` of that stack would take their namespaces away with all that is in them. The way out: docs/moving-grounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infra import order
from infra.errors import InfraError

COMPONENT: Final = "dcshift:tenancy:InformationSystem"


def misplaced(export: Mapping[str, Any]) -> list[str]:
    """Return the systems whose ground a stack's exported state holds."""
    found = (export.get("deployment") or {}).get("resources") or []
    return sorted(str(each["urn"]).rpartition("::")[2] for each in found if each["type"] == COMPONENT)


def refuse(applied: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `InfraError` (`ground-in-another-stack`); `applied`: exported states by stack."""
    for stack, export in applied.items():
        if order.layer(stack) != "ground" and (systems := misplaced(export)):
            raise InfraError(
                "ground-in-another-stack",
                what=f"the state of stack {stack} holds the ground of {', '.join(systems)}",
                why=f"each ground is a stack of its own, {order.ground(systems[0])}; an `up` of {stack} would delete "
                "the namespaces, since it declares them no more",
                state="nothing was written; every system serves on as it did",
                next="move each into its own stack, which changes nothing in the cluster: docs/moving-grounds.md",
            )
