"""Holds a mover to so many bytes a second, all its workers together; the number is read anew, so people change it live.

It paces what replicates while the source serves, and lets it rest while the source is to be spared. What citizens wait
for, the passes of a freeze, asks nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from migration.movers.sparing import Sparing

FILE: Final = "bytes-per-second"
"""Name of the file with the limit, in the folder of a system's records: a whole number, or nothing for no limit."""
BYTES_PER_SECOND_MIN: Final = 16 * 1024
"""Slower than this, a connection looks dead to the other end before its next bytes come."""
BYTES_PER_SECOND_MAX: Final = 2**40
"""More than any wire carries, and as much as rsync counts in."""
_READ_SECONDS: Final = 1.0
_SLICE_SECONDS: Final = 0.5
_CHUNK_BYTES: Final = 256 * 1024
_PIPE_BYTES: Final = 1024 * 1024  # the most that Linux gives an ordinary user


class Throttle:
    """One limit for all threads that share it."""

    def __init__(
        self,
        file: Path | None,
        *,
        sparing: Sparing | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file, self._sparing, self._now, self._sleep = file, sparing, now, sleep
        self._lock = threading.Lock()
        self._rate: int | None = None
        self._read_at = self._free_at = float("-inf")

    def rate(self) -> int | None:
        """Return the limit in bytes a second as it is now, or None where there is none."""
        with self._lock:
            return self._current(self._now())

    def is_slowed(self) -> bool:
        """Say whether people want it slower than it could be."""
        return self.rate() is not None or (self._sparing is not None and self._sparing.is_set)

    def take(self, count: int) -> None:
        """Wait until `count` bytes more may pass; a limit that is changed or taken away meanwhile holds at once.

        Raises `StepFailed` (source-spared) when the work is to end.
        """
        if self._sparing is not None:
            self._sparing.hold()
        left = float(count)
        while left > 0:
            with self._lock:
                now = self._now()
                rate = self._current(now)
                if rate is None:
                    return
                self._free_at = max(now, self._free_at)
                part = min(left, rate * _SLICE_SECONDS)
                self._free_at += part / rate
                wait = self._free_at - now
            left -= part
            while wait > 0 and self.rate() == rate:
                self._sleep(min(wait, _SLICE_SECONDS))
                wait -= _SLICE_SECONDS

    def _current(self, now: float) -> int | None:
        if now - self._read_at >= _READ_SECONDS:
            found = read(self._file)
            if found != self._rate:
                self._free_at = now  # what was promised at another speed is forgotten
            self._rate, self._read_at = found, now
        return self._rate


def read(file: Path | None) -> int | None:
    """Return the limit in a file; what is no limit that could be meant is none."""
    try:
        found = int(file.read_text()) if file else 0
    except (OSError, ValueError):
        return None
    return found if BYTES_PER_SECOND_MIN <= found <= BYTES_PER_SECOND_MAX else None


def relay(reading: IO[bytes], writing: IO[bytes], throttle: Throttle, stop: Callable[[], object]) -> None:
    """Pass on everything from one pipe to another within the kernel, then close both; no byte is copied to us.

    When that fails, `stop` is called before the pipe is closed: who reads it must not take its end for the end of the
    data.
    """
    with reading, writing:
        for pipe in (reading, writing):
            with contextlib.suppress(OSError):  # where the machine's pipes together are at their limit
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            while moved := os.splice(reading.fileno(), writing.fileno(), _CHUNK_BYTES):
                throttle.take(moved)
        except BrokenPipeError:
            pass  # who reads has ended, and says why itself
        except BaseException:
            stop()
            raise
