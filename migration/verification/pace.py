"""How long a comparison took and how fast it went, as figures of its proof; it says nothing of what was found."""

from __future__ import annotations

import time

from migration.model.words import Json


class Pace:
    """Runs from when it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def figures(self, count: int, unit: str) -> dict[str, Json]:
        """Return `seconds` and, of so many `unit` on each side, how many a second; both sides are read at once."""
        seconds = time.monotonic() - self._began
        return {"seconds": round(seconds, 3), f"{unit}_per_second": round(count / max(seconds, 0.001))}
