"""The page of dangers names tests that exist, errors that can be raised, and the fields that the code knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from infra.safety.replacing import FIELDS
from migration.cli import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
DANGERS = [line for line in PAGE.partition("## The dangers")[2].splitlines() if line.startswith("| ")][1:]
EVERY = {"apiVersion", "kind", "metadata.name", "metadata.namespace"}
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", DANGERS, ids=lambda row: str(row[2:50]))
def test_every_danger_is_shown_by_tests_that_exist(row: str) -> None:
    shown = TEST.findall(row)
    assert shown, "a danger without a test"
    for file, name in shown:
        assert name in names_in(file), f"{file} has no {name}"


def test_all_dangers_are_there() -> None:
    assert len(DANGERS) >= 20
    assert len({row.split("|")[1] for row in DANGERS}) == len(DANGERS)


def test_every_refusal_is_one_that_the_code_can_say() -> None:
    table = PAGE.partition("| refusal |")[2].partition("\n\n")[0]
    codes = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert len(codes) == 9
    assert set(codes) <= {said.code for said in reference.errors()}


def test_the_table_of_fields_is_the_codes() -> None:
    table = PAGE.partition("| kind | fields |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)`(?: \(([\w.]+)\))? \| (.+) \|$", table, re.MULTILINE)
    told = {f"{group}/{kind}": set(re.findall(r"`([\w.]+)`", fields)) for kind, group, fields in rows}
    assert told == {key: set(fields) - EVERY for key, fields in FIELDS.items() if set(fields) - EVERY}
    assert f"| every kind | {', '.join(f'`{field}`' for field in sorted(EVERY))} |" in table
