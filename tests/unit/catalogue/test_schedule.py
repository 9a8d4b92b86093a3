"""At which moments a schedule starts its job, as cron and Kubernetes read it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from catalogue.schedule import slots

ZONE = "Asia/Ho_Chi_Minh"


def moments(schedule: str, begin: str, end: str) -> list[str]:
    bounds = [datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp() for text in (begin, end)]
    found = slots(schedule, ZONE, bounds[0], bounds[1])
    return [datetime.fromtimestamp(moment, ZoneInfo(ZONE)).strftime("%d %H:%M") for moment in found]


# 24 November 2026 is a Tuesday.
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["24 11:59", "24 12:00", "24 12:01"]),
        ("*/5 * * * *", ["24 12:00"]),
        ("59,1 * * * *", ["24 11:59", "24 12:01"]),
        ("0-1 12 * * *", ["24 12:00", "24 12:01"]),
        ("58/3 * * * *", []),
        ("56/3 * * * *", ["24 11:59"]),
        ("0 12 * * 2", ["24 12:00"]),
        ("0 12 * * 3", []),
        ("0 12 25 * 2", ["24 12:00"]),
        ("0 12 25 * *", []),
        ("0 12 24 10 *", []),
    ],
)
def test_a_slot_is_after_the_first_moment_and_not_after_the_last(schedule: str, expected: list[str]) -> None:
    assert moments(schedule, "2026-11-24T11:58:00", "2026-11-24T12:01:00") == expected


def test_sunday_has_two_numbers() -> None:
    for sunday in (0, 7):
        assert moments(f"30 6 * * {sunday}", "2026-11-21T00:00:00", "2026-11-24T00:00:00") == ["22 06:30"]
