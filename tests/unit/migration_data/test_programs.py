"""A pg_dump that cannot read the source is named before anything is done: played by programs that stand in for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.adapters.database_programs import from_programs
from migration.model.words import Severity
from tests.support import findings as preflight
from tests.support import two_databases
from tests.support.moving import context
from tests.support.two_databases import Pair, Sides

SAYS = {
    "older than the source": ("pg_dump (PostgreSQL) 12.22", "12.22"),
    "of another name": ("pg_dump (Other) 99.1", "99.1"),
    "silent": ("", "it says nothing"),
}
NEW_ENOUGH = (
    "pg_dump (PostgreSQL) 13.1",
    "pg_dump (PostgreSQL) 18beta1",
    "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0)",
)


def stand_in(says: str, folder: Path) -> None:
    program = folder / "pg_dump"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def found(says: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Severity, str, str]]:
    """Return what is found of a source of 13.23 with a pg_dump that says this, or with none."""
    if says is not None:
        stand_in(says, folder)
    monkeypatch.setenv("PATH", str(folder))
    facts = context(folder / "work", None).facts.database
    return [(finding.severity, finding.what, finding.next) for finding in from_programs(facts)]


@pytest.mark.parametrize("case", SAYS)
def test_a_pg_dump_that_cannot_read_the_source_forbids_the_move(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says, named = SAYS[case]
    ((severity, what, next_step),) = found(says, tmp_path, monkeypatch)
    assert severity is Severity.BLOCKER
    assert "13.23" in what
    assert named in what
    assert "postgresql-client-13" in next_step


def test_a_machine_without_pg_dump_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((severity, what, _),) = found(None, tmp_path, monkeypatch)
    assert (severity, "No such file" in what) == (Severity.BLOCKER, True)


@pytest.mark.parametrize("says", NEW_ENOUGH)
def test_one_that_is_new_enough_is_not_mentioned(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(says, tmp_path, monkeypatch) == []


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text)") as both:
        yield both


_OPTIONS = "UPDATE pg_attribute SET attoptions = {} WHERE attrelid = 't'::regclass AND attname = 's'"
# By the day, not by the number: 18.1 came out long before 15.18.
MARKS = {
    "15.1": Severity.BLOCKER,
    "18.1": Severity.BLOCKER,
    "15.99": None,
    "18.99": None,
    "18beta1": Severity.WARNING,
    "99.1": Severity.WARNING,
}


@pytest.mark.parametrize("version", MARKS)
def test_a_mark_of_late_minors_needs_a_pg_dump_that_knows_it(
    version: str, sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(f"pg_dump (PostgreSQL) {version}", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "column-marks" not in preflight.found(sides), "nothing is marked"
    with preflight.planted(sides, _OPTIONS.format("'{pg_attver=1}'"), _OPTIONS.format("NULL")):
        seen = preflight.found(sides).get("column-marks")
    assert (seen.severity if seen else None) == MARKS[version]
    if seen is not None:
        assert "public.t.s" in seen.what
        assert "RESET (pg_attver)" in seen.next
