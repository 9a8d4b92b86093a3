"""Counts what citizens met: requests, failures, waiting times; it forgives nothing and judges nothing."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HELD_SECONDS: Final = 0.5
WINDOW_SECONDS: Final = 10.0
_BOUNDS_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)


@dataclass(slots=True)
class SystemCounters:
    """One system's counters."""

    requests: int = 0
    failed: int = 0
    acknowledged: int = 0
    ambiguous: int = 0
    held: int = 0
    slowest_seconds: float = 0.0
    slowest_request: str = ""
    waiting_over_half_second_max: int = 0
    failures: dict[str, dict[str, object]] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS_SECONDS) + 1))
    recent: deque[tuple[float, float]] = field(default_factory=deque)
    waiting: dict[int, float] = field(default_factory=dict)

    def fail(self, kind: str, error: str) -> None:
        """Count a failure; of each kind the first error's text and time are kept."""
        self.failed += 1
        known = self.failures.setdefault(kind, {"count": 0, "first_error": error[:500], "first_at": time.time()})
        known["count"] = int(str(known["count"])) + 1

    def took(self, seconds: float, request: str) -> None:
        """Count a request that came to its end, well or not, after `seconds`."""
        self.requests += 1
        self.held += seconds > HELD_SECONDS
        if seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest_request = seconds, request
        self.histogram[sum(seconds > bound for bound in _BOUNDS_SECONDS)] += 1
        self.recent.append((time.monotonic(), seconds))

    def waiting_over_half_second(self) -> int:
        """Return how many requests have been waiting for more than half a second right now."""
        now = time.monotonic()
        count = sum(now - started > HELD_SECONDS for started in self.waiting.values())
        self.waiting_over_half_second_max = max(self.waiting_over_half_second_max, count)
        return count

    def as_json(self) -> dict[str, object]:
        """Return the counters as the statistics file has them."""
        now = time.monotonic()
        while self.recent and now - self.recent[0][0] > WINDOW_SECONDS:
            self.recent.popleft()
        ended = [seconds for _, seconds in self.recent]
        under_way = [now - started for started in self.waiting.values()]
        names = [f"<={bound:g}" for bound in _BOUNDS_SECONDS] + [f">{_BOUNDS_SECONDS[-1]:g}"]
        return {
            "requests": self.requests,
            "failed": self.failed,
            "failures": self.failures,
            "acknowledged": self.acknowledged,
            "ambiguous": self.ambiguous,
            "held": self.held,
            "slowest_seconds": round(self.slowest_seconds, 4),
            "slowest_request": self.slowest_request,
            "longest_in_window_seconds": round(max([*ended, *under_way], default=0.0), 4),
            "waiting": len(self.waiting),
            "waiting_over_half_second": self.waiting_over_half_second(),
            "waiting_over_half_second_max": self.waiting_over_half_second_max,
            "latency_histogram_seconds": dict(zip(names, self.histogram, strict=True)),
        }


class Statistics:
    """Counters of all systems and the file that shows them."""

    def __init__(self, systems: list[str], path: Path) -> None:
        self.systems = {name: SystemCounters() for name in systems}
        self.visits_dropped = 0
        self._path = path
        self._started_at = time.time()
        self._request = 0

    @contextmanager
    def request(self, system: str, what: str) -> Iterator[None]:
        """Measure one request from its start to its end."""
        counters, started = self.systems[system], time.monotonic()
        self._request += 1
        key = self._request
        counters.waiting[key] = started
        try:
            yield
        finally:
            counters.waiting.pop(key)
            counters.took(time.monotonic() - started, what)

    def write(self, *, finished: bool = False) -> None:
        """Replace the statistics file by one with the present counters."""
        now = time.time()
        shown = {
            "started_at": self._started_at,
            "updated_at": now,
            "finished": finished,
            "seconds": round(now - self._started_at, 1),
            "requests": sum(each.requests for each in self.systems.values()),
            "failed": sum(each.failed for each in self.systems.values()),
            "slowest_seconds": round(max(each.slowest_seconds for each in self.systems.values()), 4),
            "visits_dropped": self.visits_dropped,
            "systems": {name: counters.as_json() for name, counters in self.systems.items()},
        }
        new = self._path.with_name(self._path.name + ".new")
        new.write_text(json.dumps(shown, ensure_ascii=False, indent=1))
        new.replace(self._path)
