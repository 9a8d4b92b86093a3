"""Prints every rule as a table for people: `python -m infra.rules > docs/rules.md`."""

from __future__ import annotations

import sys
from typing import Final

from catalogue import norms
from catalogue.load import load
from infra.config import catalogue_folder
from infra.rules import node_logs
from infra.rules.book import RULES
from infra.rules.rule import Rule, Scope
from infra.values import NodeFolders

_HEAD: Final = """# Rules

Written by `python -m infra.rules > docs/rules.md`; do not edit. {count} rules of an information system's objects, each
written once in `infra/rules/` and enforced by up to three: **graph** (the declared objects, in tests), **pack**
(`pulumi preview --policy-pack infra/policy_pack/rules`), **admission** (ValidatingAdmissionPolicies of the platform
stack; they refuse, in the namespaces of information systems only). Why so:
[decision 0009](decisions/0009-rules-enforced-three-times.md).

`level` is the lowest that asks for it. `lab: no` means that an environment called `lab` is excused. References are of
the norms `{norms}`; an `?` says that nobody has compared ours with the words of the text.

| rule | sentence | of | level | lab | enforced by | reference |
|---|---|---|---|---|---|---|"""
_AGENTS: Final = """
## Pods of the log agents

Their namespace is no information system's, and pod security lets pods there mount folders of their node
([security log](security-log.md)). There the API server asks this of every pod, of whoever makes it, also in a lab:

| rule | sentence |
|---|---|"""
_ENFORCERS: Final = {
    Scope.OBJECT: "graph, pack, admission",
    Scope.DECLARED: "graph, pack",
    Scope.OPTIONS: "graph, pack",
    Scope.STACK: "graph, pack",
    Scope.RETAIN: "graph",
}


def text(law: norms.NormSet) -> str:
    """Return the whole page."""
    agents = [f"| `{rule.id}` | {rule.sentence} |" for rule in node_logs.rules(NodeFolders("…", "…", "…"))]
    lines = [_HEAD.format(count=len(RULES), norms=law.id), *(_row(rule, law) for rule in RULES), _AGENTS, *agents]
    return "\n".join(lines) + "\n"


def _row(rule: Rule, law: norms.NormSet) -> str:
    reference, verified = rule.cited(law)
    kinds = [kind.name for kind in rule.subject.kinds]
    of = ", ".join(kinds) if len(kinds) <= 3 else f"{', '.join(kinds[:2])} and {len(kinds) - 2} more kinds"
    tiers = " and ".join(rule.subject.area.tiers) or "all"
    cells = [
        f"`{rule.id}`",
        rule.sentence,
        f"{of} ({tiers})",
        str(rule.level),
        "yes" if rule.in_lab else "no",
        _ENFORCERS[rule.scope],
        reference + ("" if verified else " ?"),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(text(norms.named(load(catalogue_folder()).province.norms)))
