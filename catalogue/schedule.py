"""Says whether a crontab's schedule is one, and at which moments of a span it starts its job; it never asks a clock."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

_CRON_FIELDS: Final = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
_CRON_PART: Final = re.compile(r"(\*|(?P<first>[0-9]{1,2})(-(?P<last>[0-9]{1,2}))?)(/(?P<step>[0-9]{1,2}))?")


def cron(schedule: str) -> str:
    """Return a schedule as it is. Raises `ValueError` for one that no crontab takes; names of days are not allowed."""
    fields = schedule.split(" ")
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(f"a schedule has five fields with one space between them, this has {len(fields)}")
    for field, (what, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            read = _CRON_PART.fullmatch(part)
            numbers = [int(read[name]) for name in ("first", "last") if read[name]] if read else []
            if read is None or read["step"] in ("0", "00") or numbers != sorted(numbers):
                raise ValueError(f"{part!r} is not a {what} of a schedule")
            if numbers and not low <= numbers[0] <= numbers[-1] <= high:
                raise ValueError(f"{part!r} is not a {what}: {low} to {high}")
    return schedule


def slots(schedule: str, time_zone: str, after: float, until: float) -> Iterator[float]:
    """Yield each moment after `after`, up to `until`, at which the schedule starts its job; seconds since the epoch.

    As cron and Kubernetes read it: with both days restricted, either one is enough.
    """
    minutes, hours, days, months, weekdays = (
        _numbers(field, low, high) for field, (_, low, high) in zip(schedule.split(" "), _CRON_FIELDS, strict=True)
    )
    either = not any(schedule.split(" ")[place].startswith("*") for place in (2, 4))
    zone = zoneinfo.ZoneInfo(time_zone)
    for moment in range(int(after // 60 + 1) * 60, int(until) + 1, 60):
        local = datetime.fromtimestamp(moment, UTC).astimezone(zone)
        of_month = local.day in days
        of_week = local.isoweekday() % 7 in weekdays or (local.isoweekday() == 7 and 7 in weekdays)
        on_day = (of_month or of_week) if either else (of_month and of_week)
        if local.minute in minutes and local.hour in hours and local.month in months and on_day:
            yield float(moment)


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        read = _CRON_PART.fullmatch(part)
        if read is None:
            raise ValueError(f"{part!r} is not a part of a schedule")
        first = int(read["first"] or low)
        # `5/15` means from 5 on, every 15.
        last = int(read["last"]) if read["last"] else first if read["first"] and not read["step"] else high
        found.update(range(first, last + 1, int(read["step"] or 1)))
    return frozenset(found)
