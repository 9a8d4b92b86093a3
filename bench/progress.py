"""What every bench says on the way, and how it ends when somebody wants it to; it measures nothing."""

from __future__ import annotations

import signal
import sys
import time

from lab.demo.screen import clock


class Progress:
    """Says what is measured now, with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        sys.stdout.write(f"  {clock(time.monotonic() - self._began):>6}  {text}\n")
        sys.stdout.flush()


def end_in_order() -> None:
    """Make every wish to end us a `KeyboardInterrupt`: from wherever it comes, what we started ends first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
