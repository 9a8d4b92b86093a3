"""What a mover says: one JSON object a line on stdout, the last of them its result or its error; never a secret."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from migration.errors import MigrationError
from migration.model.words import Json

_LOCK = threading.Lock()
_SAY_SECONDS: Final = 1.0
_RATE_SECONDS: Final = 30.0


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
    seconds_left: float | None = None,
    waits: str | None = None,
    rows_done: int | None = None,
) -> None:
    """Say where the work stands; `seconds_left` where more is left to do than what is counted here.

    `rows_done` are rows that have come, of work that is counted in bytes. Work that waits has no rate, and nobody knows
    how long it takes yet.
    """
    rate_per_second, seconds_left = (None, None) if waits else (rate_per_second, seconds_left)
    line: dict[str, Json] = {
        "what": what,
        "done": done,
        "total": total,
        "unit": unit,
        "rate_per_second": rate_per_second,
    }
    if seconds_left is not None:
        line["seconds_left"] = round(seconds_left, 1)
    elif total is not None and rate_per_second:
        line["seconds_left"] = round(max(total - done, 0) / rate_per_second, 1)
    if waits:
        line["waits"] = waits
    if rows_done is not None:
        line["rows_done"] = rows_done
    say({"progress": line})


class Standing:
    """Says once a second how many objects and bytes are done, how fast lately, and what is left at that rate.

    The time that is left is the longer of two: large objects are held up by bytes, small ones by their number. The
    rate is that of the last half minute, because people change the limit while a mover is at work.
    """

    def __init__(self, what: str, objects: int, size: int, now: Callable[[], float] = time.monotonic) -> None:
        self._what, self._objects, self._bytes, self._now = what, objects, size, now
        self._points = deque([(now(), 0, 0)])
        self._said_at = now()

    def say(self, objects: int, size: int, *, at_once: bool = False) -> bool:
        """Tell where it stands, at most once a second unless `at_once`; return whether it was told."""
        now = self._now()
        if now - self._said_at < _SAY_SECONDS and not at_once:
            return False
        self._said_at = now
        self._points.append((now, objects, size))
        while len(self._points) > 2 and now - self._points[0][0] > _RATE_SECONDS:
            self._points.popleft()
        began, objects_before, bytes_before = self._points[0]
        elapsed = max(now - began, 0.001)
        rate, objects_rate = (size - bytes_before) / elapsed, (objects - objects_before) / elapsed
        line: dict[str, Json] = {
            "what": self._what,
            "done": size,
            "total": self._bytes,
            "unit": "bytes",
            "rate_per_second": round(rate, 1),
            "objects_done": objects,
            "objects_total": self._objects,
        }
        left = [(self._bytes - size, rate), (self._objects - objects, objects_rate)]
        left = [(much, speed) for much, speed in left if much > 0]
        if all(speed > 0 for _, speed in left):
            line["seconds_left"] = round(max((much / speed for much, speed in left), default=0.0), 1)
        say({"progress": line})
        return True


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
