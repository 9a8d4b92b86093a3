"""The page of hard cases names every finding about a database that the code can make, and tests that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from migration.adapters import database_content, database_rare, database_removed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/hard-cases.md").read_text(encoding="utf-8")
# Not of the database itself but of a side that did not answer.
ELSEWHERE = {"database-not-read"}


def codes() -> Iterator[str]:
    """Yield the second word of every finding, and the words of tables from which findings are made."""
    for asked in (database_content, database_rare, database_removed):
        yield from asked._QUESTIONS
    yield from ("target-owner-role", "target-subscription-role")
    for file in [*(ROOT / "migration/adapters").glob("database*.py"), ROOT / "migration/movers/kept_log.py"]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                match node.args[1]:
                    case ast.Constant(value=str(code)):
                        yield code


def test_every_finding_of_a_database_is_on_the_page() -> None:
    found = set(codes()) - ELSEWHERE
    assert len(found) > 50
    assert sorted(code for code in found if f"`{code}`" not in PAGE) == []


def test_every_test_that_the_page_names_is_there() -> None:
    there = {file.stem for folder in ("unit/migration_data", "live") for file in (ROOT / "tests" / folder).glob("*.py")}
    named = set(re.findall(r"\btest_\w+", PAGE))
    assert len(named) > 10
    assert named - there == set()
