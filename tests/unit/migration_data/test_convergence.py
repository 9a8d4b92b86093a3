"""What the next pass will carry, foreseen from those that were made, and said before a freeze."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.adapters import files_check
from migration.model.words import Severity
from migration.movers import convergence
from migration.movers.convergence import Round, forecast, is_enough
from migration.movers.files_index import Index
from tests.unit.migration_data.test_files_listing import job

BULK = Round(began=1_000.0, listing_seconds=2.0, seconds=602.0, touched=20_000, bytes=10**9)
"""Its files took 0.03 s each."""
SECOND = Round(began=1_602.0, listing_seconds=2.0, seconds=30.1, touched=300, bytes=3_000_000)
"""300 files changed in the 602 s since the first began: in 30.1 s it will be 15."""


def test_nothing_is_foreseen_before_the_first_pass() -> None:
    assert forecast([]) is None


def test_changes_go_on_as_fast_as_they_came() -> None:
    found = forecast([BULK, SECOND])
    assert found is not None
    assert (found.touched, found.bytes, found.shrinks) == (15, 150_000, True)
    assert found.seconds == pytest.approx(2.0 + 15 * 0.03, abs=0.06)
    assert found.facts() == {"forecast_touched": 15, "forecast_bytes": 150_000, "forecast_seconds": found.seconds}


def test_of_one_pass_alone_the_next_has_as_many() -> None:
    found = forecast([BULK])
    assert found is not None
    assert (found.touched, found.shrinks) == (20_000, False)


def test_a_pass_long_after_the_one_before_says_how_slowly_things_change() -> None:
    found = forecast([BULK, SECOND, Round(began=87_602.0, listing_seconds=2.0, seconds=43.0, touched=2_000, bytes=0)])
    assert found is not None
    assert found.touched == 1
    assert found.seconds == pytest.approx(2.0, abs=0.06)


def test_a_source_that_writes_as_fast_as_it_is_read_never_converges() -> None:
    rounds = [BULK, SECOND, Round(began=1_632.1, listing_seconds=2.0, seconds=30.1, touched=300, bytes=3_000_000)]
    found = forecast(rounds)
    assert found is not None
    assert (found.touched, found.shrinks) == (300, False)


def test_an_idle_source_costs_its_list() -> None:
    idle = Round(began=5_000.0, listing_seconds=1.5, seconds=3.0, touched=0, bytes=0)
    for rounds in ([idle], [BULK, idle]):
        found = forecast(rounds)
        assert found is not None
        assert (found.touched, found.seconds) == (0, 1.5)


def test_passes_end_at_a_small_one_or_where_the_next_is_no_smaller() -> None:
    first, stuck, shrinking = forecast([BULK]), forecast([BULK, BULK]), forecast([BULK, SECOND])
    assert is_enough(1, 50, 50, first)
    assert not is_enough(1, 51, 50, first), "after the first pass nobody knows yet"
    assert not is_enough(2, 300, 50, shrinking)
    assert is_enough(2, 20_000, 50, stuck)


def test_what_was_seen_is_remembered_from_run_to_run_but_not_for_ever(tmp_path: Path) -> None:
    index = Index(tmp_path)
    assert convergence.foreseen(index) is None
    for number in range(12):
        made = convergence.note(index, Round(1_000.0 + number, 0.1, 0.2, number, number))
    assert convergence.foreseen(Index(tmp_path)) == made
    assert len(convergence._rounds(index)) == 8


@pytest.mark.parametrize(("allowed", "severity"), [(60, Severity.INFO), (2, Severity.WARNING)])
def test_it_is_said_before_the_freeze_with_what_is_allowed(allowed: int, severity: Severity, tmp_path: Path) -> None:
    ordered = job(tmp_path, tmp_path / "uploads")
    assert list(files_check.of_forecast(ordered, allowed)) == []
    index = Index(ordered.staging)
    for one in (BULK, SECOND):
        convergence.note(index, one)
    [found] = files_check.of_forecast(ordered, allowed)
    assert (found.code, found.severity) == ("files-last-pass", severity)
    assert "about 15 files with 150,000 bytes in 2.5 s, by the pass of 1970-01-01 00:26 UTC" in found.what
    assert ("may be read-only for 2 s" in found.what) is (severity is Severity.WARNING)
