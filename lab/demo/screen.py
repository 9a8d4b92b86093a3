"""What the demo shows: numbered phases with elapsed time, live progress, never a silent minute; it decides nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_HEARTBEAT_SECONDS = 20.0
_REDRAW_SECONDS = 0.2


@dataclass(slots=True)
class Phase:
    """One phase as it was: its name, how long it took, what it said last."""

    name: str
    seconds: float = 0.0
    said: str = ""


@dataclass(slots=True)
class Screen:
    """Prints phases; on a terminal the current line is redrawn, elsewhere each change is a line."""

    total: int
    write: Callable[[str], object] = sys.stdout.write
    live: bool = field(default_factory=sys.stdout.isatty)
    phases: list[Phase] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started: float = field(default_factory=time.monotonic)
    _printed_at: float = 0.0
    _printed: str = ""

    @contextmanager
    def phase(self, name: str) -> Iterator[Callable[[str], None]]:
        """Run one phase; the yielded function says what is happening now."""
        phase = Phase(name)
        self.phases.append(phase)
        begun = time.monotonic()
        stop = threading.Event()

        def say(sentence: str) -> None:
            with self._lock:
                phase.said = sentence
                self._show(phase, begun, final=False)

        def beat() -> None:
            while not stop.wait(_REDRAW_SECONDS if self.live else 1.0):
                with self._lock:
                    silent = time.monotonic() - self._printed_at
                    if self.live or silent > _HEARTBEAT_SECONDS:
                        self._show(phase, begun, final=False, again=True)

        heart = threading.Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield say
        finally:
            stop.set()
            heart.join()
            phase.seconds = time.monotonic() - begun
            with self._lock:
                self._show(phase, begun, final=True)

    def elapsed_seconds(self) -> float:
        """Return the time since the screen was made."""
        return time.monotonic() - self._started

    def _show(self, phase: Phase, begun: float, *, final: bool, again: bool = False) -> None:
        number = f"{len(self.phases)}/{self.total}"
        left = f" {number:>5} {phase.name:<10} {phase.said}"
        took = clock(time.monotonic() - begun)
        line = f"{left[:96]:<96} {took:>7}"
        if self.live:
            self.write(f"\r\x1b[2K{line}" + ("\n" if final else ""))
        elif final or again or phase.said != self._printed:
            self.write(line.rstrip() + ("" if final else " …") + "\n")
        flush = getattr(sys.stdout, "flush", None)
        if flush:
            flush()
        self._printed, self._printed_at = phase.said, time.monotonic()


def clock(seconds: float) -> str:
    """Return minutes and seconds, such as `1:52`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
