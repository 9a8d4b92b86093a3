"""Extensions of another version, planted on two real servers: named before the copy, and said by the proof."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.model.words import Severity
from migration.verification.schema import prove_schema
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

_TRGM = "CREATE EXTENSION pg_trgm"
_SET = "UPDATE pg_extension SET extversion = {} WHERE extname = 'pg_trgm'"
_BACK = _SET.format("(SELECT default_version FROM pg_available_extensions WHERE name = 'pg_trgm')")


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, _TRGM) as both:
        yield both


@pytest.mark.parametrize(("version", "severity"), [("1.10", Severity.WARNING), ("1.1", Severity.INFO)])
def test_another_version_on_the_target_is_named_and_an_older_one_is_a_warning(
    version: str, severity: Severity, sides: Sides
) -> None:
    assert "extension-version" not in found(sides)
    with planted(sides, _SET.format(f"'{version}'"), _BACK):
        seen = found(sides)["extension-version"]
    assert (seen.severity, f"pg_trgm {version}, there 1." in seen.what) == (severity, True)
    assert seen.next


def test_what_is_installed_there_counts_more_than_what_would_be(sides: Sides) -> None:
    with planted(sides, _TRGM, "DROP EXTENSION pg_trgm", side=1), planted(sides, _SET.format("'1.2'"), _BACK, side=1):
        assert "there 1.2" in found(sides)["extension-version"].what
        with sides.moment() as moment:
            proof = prove_schema(moment)
    assert (proof.passed, "of another version: pg_trgm 1." in proof.sentence) == (True, True)
    assert len(proof.figures["extensions_of_another_version"]) == 1
