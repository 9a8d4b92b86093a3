"""Says whether a crontab's schedule is one; it computes no times."""

from __future__ import annotations

import re
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
