"""The demo's ending tells the truth, and its screen is never silent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.demo.screen import Screen, clock
from lab.demo.summary import Summary, SystemSummary, phase_rows

GOOD = SystemSummary(
    rows=10,
    tables=2,
    files=3,
    bytes=4,
    jobs=1,
    hold_seconds_max=1.5,
    requests=100,
    requests_failed=0,
    acknowledged=20,
    lost=0,
    duplicated=0,
    proofs_passed=12,
    proofs_failed=0,
    source_versions={"postgresql": "13.23"},
    target_versions={"postgresql": "17.6"},
)


def _summary(**systems: SystemSummary) -> Summary:
    return Summary(True, "stand-in", [], dict(systems), 1, 0.1)


def test_a_demo_is_verified_when_both_systems_kept_every_promise() -> None:
    assert _summary(portal=GOOD, feedback=GOOD).verified


@pytest.mark.parametrize(
    "bad",
    [
        {"lost": 1},
        {"duplicated": 1},
        {"proofs_failed": 1},
        {"proofs_passed": 0},
        {"acknowledged": 0},
    ],
)
def test_one_broken_promise_is_enough_to_fail(bad: dict[str, int]) -> None:
    assert not _summary(portal=replace(GOOD, **bad), feedback=GOOD).verified


def test_a_system_that_is_missing_is_not_verified() -> None:
    assert not _summary(portal=GOOD).verified


def test_a_report_that_is_not_verified_is_enough_to_fail() -> None:
    assert not replace(_summary(portal=GOOD, feedback=GOOD), report_verified=False).verified


def test_the_summary_is_written_whole_and_says_whether_it_is_verified(tmp_path: Path) -> None:
    _summary(portal=GOOD, feedback=GOOD).write(tmp_path / "deep" / "summary.json")
    written = json.loads((tmp_path / "deep" / "summary.json").read_text())
    assert written["verified"] is True
    assert written["systems"]["portal"]["hold_seconds_max"] == 1.5
    assert set(written) == {"plugin", "phases", "systems", "memory_peak_bytes", "overhead_ratio", "verified"}


def test_a_manager_reads_moved_lost_and_what_now() -> None:
    text = "\n".join(_summary(portal=GOOD, feedback=GOOD).sentences(Path("report.html")))
    assert "Moved: portal and feedback. Lost: nothing. Doubled: nothing." in text
    assert "12 of 12 proofs" in text
    assert "postgresql 13.23 → 17.6" in text


def test_phases_are_numbered_timed_and_said_once_on_a_dumb_terminal() -> None:
    lines: list[str] = []
    screen = Screen(total=2, write=lines.append, live=False)
    with screen.phase("tools") as say:
        say("12 ready")
        say("12 ready")
    with pytest.raises(ValueError), screen.phase("source"):
        raise ValueError
    assert [line.split()[0] for line in lines] == ["1/2", "1/2", "2/2"]
    assert "12 ready" in lines[0]
    assert lines[0].endswith("…\n")
    assert not lines[1].endswith("…\n")
    assert [row["name"] for row in phase_rows(screen.phases)] == ["tools", "source"]


def test_the_clock_reads_as_people_say_it() -> None:
    assert [clock(4.4), clock(112)] == ["0:04", "1:52"]
