"""Remembers beside a staging folder the latest turn that this machine has seen; it outlives what the turn carried.

The way back takes a target's claim away with everything else of ours. A mover of an earlier turn that wakes up
afterwards would find an empty target and nothing that forbids to fill it; this number does.
"""

from __future__ import annotations

import os
from pathlib import Path


def why_over(staging: Path, token: int) -> str | None:
    """Return why a turn is over, or None while it is not; outside of any turn is none."""
    try:
        highest = _highest(staging)
    except ValueError as odd:
        return f"{_file(staging)} does not say which turn was the latest ({odd}); write its number there by hand"
    if token >= max(highest, 1):
        return None
    return f"turn {token} is over: turn {highest} has begun" if highest else "no turn began"


def note(staging: Path, token: int) -> None:
    """Remember that this turn has begun."""
    if token > _highest(staging):
        written = _file(staging).with_name(f"{staging.name}.turn.new")
        with written.open("w") as file:
            file.write(str(token))
            file.flush()
            os.fsync(file.fileno())
        written.replace(_file(staging))


def _file(staging: Path) -> Path:
    return staging.with_name(f"{staging.name}.turn")


def _highest(staging: Path) -> int:
    file = _file(staging)
    return int(file.read_text()) if file.exists() else 0
