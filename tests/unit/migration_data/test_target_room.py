"""A database that does not fit into the volume which the catalogue gives it, or hardly, is told before it is copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.adapters.database_room import of_target
from migration.model.words import Severity
from tests.support.moving import context

GIB = 2**30


@pytest.mark.parametrize(
    ("size_bytes", "severity"),
    [
        (13 * GIB, None),
        (14 * GIB, Severity.WARNING),
        (20 * GIB, Severity.WARNING),
        (20 * GIB + 1, Severity.BLOCKER),
    ],
)
def test_room_is_judged_by_what_the_catalogue_declares(
    size_bytes: int, severity: Severity | None, tmp_path: Path
) -> None:
    facts = context(tmp_path, None).facts.database.model_copy(update={"size_bytes": size_bytes})
    found = list(of_target(facts, "20Gi", "portal-db"))
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    for each in found:
        assert (each.code, each.where) == ("target-room", "portal-db")
        assert f"{size_bytes:,} bytes" in each.what
        assert "(20Gi)" in each.what
        assert "database.storage" in each.next
        assert ("VACUUM FULL" in each.next) == (severity is Severity.BLOCKER)
