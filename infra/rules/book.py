"""All rules, in the order in which people read them."""

from __future__ import annotations

from typing import Final

from infra.rules.access import RIGHTS
from infra.rules.data import DATA
from infra.rules.doors import DOORS
from infra.rules.grounds import NAMESPACE_RULES, NETWORK, OWNERSHIP, SECRECY
from infra.rules.nodes import NODES
from infra.rules.pods import PODS, RUNNING
from infra.rules.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    *NAMESPACE_RULES, *OWNERSHIP, *PODS, *RUNNING, *NODES, *DOORS, *NETWORK, *RIGHTS, *SECRECY, *DATA,
)  # fmt: skip


def named(rule_id: str) -> Rule:
    """Return a rule by its id. Raises `KeyError`."""
    for rule in RULES:
        if rule.id == rule_id:
            return rule
    raise KeyError(f"no rule {rule_id}")
