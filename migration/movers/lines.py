"""What a mover says: one JSON object a line on stdout, the last of them its result or its error; never a secret."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping

from migration.errors import MigrationError
from migration.model.words import Json

_LOCK = threading.Lock()


def say(line: Mapping[str, Json]) -> None:
    """Print one line."""
    with _LOCK:
        sys.stdout.write(json.dumps(dict(line), ensure_ascii=False) + "\n")
        sys.stdout.flush()


def progress(
    what: str,
    done: int,
    total: int | None,
    unit: str,
    rate_per_second: float | None = None,
    *,
    waits: str | None = None,
) -> None:
    """Say where the work stands; work that waits has no rate, and nobody knows how long it takes yet."""
    rate_per_second = None if waits else rate_per_second
    line: dict[str, Json] = {
        "what": what,
        "done": done,
        "total": total,
        "unit": unit,
        "rate_per_second": rate_per_second,
    }
    if total is not None and rate_per_second:
        line["seconds_left"] = round(max(total - done, 0) / rate_per_second, 1)
    if waits:
        line["waits"] = waits
    say({"progress": line})


def result(facts: Mapping[str, Json]) -> None:
    """Say that all is done; must be the last line."""
    say({"result": dict(facts)})


def error(failure: MigrationError) -> None:
    """Say why it ended; must be the last line."""
    say({"error": {**failure.as_dict()}})


class Rate:
    """Units a second since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def of(self, done: int) -> float | None:
        """Return the mean rate, or None while there is nothing to divide."""
        elapsed = time.monotonic() - self._began
        return round(done / elapsed, 1) if elapsed > 0 and done else None
