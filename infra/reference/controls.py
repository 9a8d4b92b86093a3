"""Who carries out what a level asks for: the code that reads a control, the rules that cite it; read off both.

What nobody reads and no rule cites is named as such: a row of a norm set is no deed.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from catalogue.controls import FIELDS, IDS
from catalogue.unanswered import UP_TO
from infra.rules.book import RULES
from infra.rules.rule import Rule

NOBODY: Final = "**nobody**"
_ROOT: Final = Path(__file__).resolve().parents[2]
_READERS: Final = ("catalogue", "infra", "migration")
_ONLY_TELL: Final = ("catalogue/norms_page.py", "infra/reference/", "infra/rules/facts.py")
"""They show controls, or hand them to the rules, which are named themselves."""
_OTHERS: Final = ("naming", "self", "ground")
"""What has a field of the same name that is no control: the name of a namespace."""
AT_EVERY_LEVEL: Final[Mapping[str, str]] = {
    "postgres-pitr": "the archive of the log, of every database",
    "audit-level": "`infra/audit-policy.yaml`",
    "central-logs": "the stack `security`, where the province declares `security_log`",
    "soc-sink": "`security_log.soc`, where the province declares it",
    "ncsc-share": "`security_log.national`, where the province declares it",
}
"""What is there, however little or much a level asks: no value of a norm set changes it, and nothing is refused."""


def carried_out(rules: Iterable[Rule] = RULES, reads: Mapping[str, list[str]] | None = None) -> dict[str, str]:
    """Return, for each control by its id, what carries it out as the page of norms shows it.

    `reads`: the files that read each control, by its field; those of this checkout if not given.
    """
    cited = defaultdict[str, list[str]](list)
    for rule in rules:
        cited[rule.law].append(f"`{rule.id}`")
    reads = readers() if reads is None else reads
    return {
        control: _by(control, _files(reads.get(field, [])), _rules(cited[control])) or _by_nobody(control)
        for control, field in IDS.items()
    }


def readers() -> dict[str, list[str]]:
    """Return the files that read each control of a level, by the control's field."""
    found = defaultdict[str, list[str]](list)
    for package in _READERS:
        for file in sorted((_ROOT / package).rglob("*.py")):
            name = file.relative_to(_ROOT).as_posix()
            if not name.startswith(_ONLY_TELL):
                for field in sorted(_fields(file.read_text(encoding="utf-8"))):
                    found[field].append(name)
    return dict(found)


def _fields(source: str) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in FIELDS
        and not (isinstance(node.value, ast.Name) and node.value.id in _OTHERS)
    }


def _files(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _rules(ids: list[str]) -> str:
    return f"rule{'s' if len(ids) > 1 else ''} {', '.join(ids)}" if ids else ""


def _by(control: str, files: str, rules: str) -> str:
    found = "; ".join(filter(None, (files, rules)))
    return f"{found}; in full up to `{UP_TO[control]}`, beyond it {NOBODY}" if found and control in UP_TO else found


def _by_nobody(control: str) -> str:
    always = AT_EVERY_LEVEL.get(control)
    return f"{NOBODY} by level; at every one: {always}" if always else NOBODY
