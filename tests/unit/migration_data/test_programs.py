"""A pg_dump that cannot read the source is named before anything is done: played by programs that stand in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.adapters.database_findings import from_programs
from migration.model.words import Severity
from tests.support.moving import context

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


def found(says: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Severity, str, str]]:
    """Return what is found of a source of 13.23 with a pg_dump that says this, or with none."""
    if says is not None:
        program = folder / "pg_dump"
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)
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
