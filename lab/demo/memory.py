"""Measures the peak memory of everything on the machine since the demo began; it limits nothing."""

from __future__ import annotations

import threading
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def used_bytes() -> int:
    """Return the memory in use on this machine: MemTotal less MemAvailable."""
    fields = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    total, available = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return total - available


class PeakMemory:
    """Samples once a second, as a context manager; `bytes` is the peak above the level at its start."""

    def __init__(self) -> None:
        self._base = used_bytes()
        self._peak = self._base
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        """Return the peak above the base level so far."""
        return max(0, self._peak - self._base)

    def _sample(self) -> None:
        while not self._stop.wait(1.0):
            self._peak = max(self._peak, used_bytes())
