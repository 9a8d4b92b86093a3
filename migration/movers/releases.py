"""Knows which release of PostgreSQL came out before which: minors of all majors come out together, on one day."""

from __future__ import annotations

from typing import Final

# Releases of one day have one number here: 18.1, 17.7, 16.11, 15.15, 14.20 and 13.23 came out together.
_DAY_OF_FIRST_MINOR: Final = {13: 0, 14: 3, 15: 8, 16: 12, 17: 16, 18: 22}


def released(number: int, other: int) -> bool | None:
    """Say whether one release came out before another; None where that is not known."""
    days = [_DAY_OF_FIRST_MINOR.get(each // 10000) for each in (number, other)]
    if days[0] is None or days[1] is None:
        return None
    return days[0] + number % 10000 < days[1] + other % 10000
