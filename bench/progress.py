"""What every bench says on the way, and how it ends when somebody wants it to; it measures nothing."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lab.demo.screen import clock

_SILENT_SECONDS_MAX: Final = 25.0


class Progress:
    """Says what is measured now, with the time since the start."""

    def __init__(self, silent_seconds_max: float = _SILENT_SECONDS_MAX) -> None:
        self._began = self._spoke = time.monotonic()
        self._silent_seconds_max = silent_seconds_max
        self._last = ""
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        with self._lock:
            self._last = text
            self._write(text)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Say again what is done now whenever nobody said anything for a while."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self._silent_seconds_max / 25):
                with self._lock:
                    if time.monotonic() - self._spoke > self._silent_seconds_max:
                        self._write(f"… still at it: {self._last}")

        heart = threading.Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()

    def _write(self, text: str) -> None:
        self._spoke = time.monotonic()
        sys.stdout.write(f"  {clock(self._spoke - self._began):>6}  {text}\n")
        sys.stdout.flush()


def end_in_order() -> None:
    """Make every wish to end us a `KeyboardInterrupt`: from wherever it comes, what we started ends first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
