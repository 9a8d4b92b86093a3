"""Spares a source that is busy: lets a mover's workers wait, or ends them, within the limits that people set meanwhile.

It only asks the source. What it may change there is one thing: when a copy is stopped, its slot goes with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from migration.errors import MigrationError, StepFailed
from migration.movers import limits
from migration.movers.limits import Limits, Reading, Standing, Unread
from migration.movers.programs import Brake, Stopped

_LOOK_SECONDS: Final = 1.0


class Source(Protocol):
    """A source that says how it is."""

    name: str
    """What is copied from it, as errors say it."""
    every_seconds: float
    """How often it has something new to say."""

    def concerned(self, wanted: Limits) -> Limits:
        """Return those of the limits that are about it."""
        ...

    def read(self) -> Reading | Unread: ...

    def let_go(self) -> str:
        """Take away what a copy that was stopped would cost the source further; return how it stands now."""
        ...

    def close(self) -> None: ...


class Sparing:
    """Looks at one source from a thread of its own; use as a context manager.

    However the work ends once it was stopped, what is raised is why it was stopped.
    """

    def __init__(self, file: Path | None, source: Source, *, now: Callable[[], float] = time.monotonic) -> None:
        self._file, self._source, self._now = file, source, now
        self._standing = Standing()
        self._read_at = float("-inf")
        self._reading: Reading | Unread = Unread("nobody asked yet")
        self._reads = False
        self._lock = threading.Lock()
        self._on_wait: Callable[[str | None], None] | None = None
        self._failure: MigrationError | None = None
        self._brake: Brake | None = None
        self._free = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sparing:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_LOOK_SECONDS + 15)
        self._source.close()
        if self._failure is not None and error is not self._failure and (error is None or isinstance(error, Exception)):
            raise self._failure from error

    def hold(self) -> None:
        """Wait as long as the source is to be spared; raises `StepFailed` (source-spared) when it is to end.

        Raises `Stopped` when the work that waits was ended for another reason.
        """
        while not self._free.wait(_LOOK_SECONDS / 2):
            if self._brake is not None and self._brake.why is not None:
                raise Stopped
        if self._failure is not None:
            raise self._failure

    def tie(self, brake: Brake) -> None:
        """Let a stop end whatever holds this brake, and whoever waits end when it is pulled."""
        self._brake = brake

    def waits(self) -> str | None:
        """Return why and since when the workers wait, or None."""
        return self._standing.waits(self._now())

    def must_rest(self) -> bool:
        """Say whether `hold` would wait or raise."""
        return self._failure is not None or not self._free.is_set()

    @property
    def is_set(self) -> bool:
        """Say whether people may let the work wait for longer than any work should need."""
        return self._standing.limits.waits

    @contextmanager
    def reading(self, on_wait: Callable[[str | None], None] | None = None) -> Iterator[None]:
        """Read from the source inside of this: outside, its load is no reason to wait or to stop.

        `on_wait` is called each second with why the work waits, and once with None when it goes on.
        """
        self._reads, self._on_wait = True, on_wait
        self.look()
        try:
            yield
        finally:
            self._reads, self._on_wait = False, None

    def read_all(self) -> None:
        """Say inside of `reading` that nothing more is read: as if it had ended, also where something else goes on."""
        self._reads, self._on_wait = False, None

    def look(self) -> None:
        """Read the limits and the source, and decide."""
        with self._lock:
            if self._failure is None:
                self._look()

    def _look(self) -> None:
        wanted, now = self._source.concerned(limits.read(self._file)), self._now()
        if not wanted.ask(copying=self._reads):
            self._source.close()
            self._read_at = float("-inf")
            after = Standing()
        else:
            if now - self._read_at >= self._source.every_seconds:
                self._reading, self._read_at = self._source.read(), now
            after = limits.decide(self._standing, wanted, self._reading, now, copying=self._reads)
        before, self._standing = self._standing, after
        if after.stop is not None:
            self._end(after.stop)
        self._tell(before, now)

    def _end(self, why: str) -> None:
        # Before the source is let go of, which takes its time: nobody may end well meanwhile.
        self._failure = _stopped(self._source.name, why, "")
        if self._brake is not None:
            self._brake.pull(self._failure)
        self._failure = _stopped(self._source.name, why, self._source.let_go())

    def _tell(self, before: Standing, now: float) -> None:
        waits = None if self._failure is not None else self._standing.waits(now)
        if waits is None:
            self._free.set()
        else:
            self._free.clear()
        on_wait = self._on_wait  # the reading may end meanwhile
        if on_wait is not None and (waits is not None or before.why is not None):
            on_wait(waits)

    def _run(self) -> None:
        try:
            while self._failure is None and not self._over.wait(_LOOK_SECONDS):
                self.look()
        except BaseException as fault:
            # Nobody may wait for ever for a thread that is not there any more.
            self._failure = _stopped(self._source.name, f"looking after the source failed: {fault!r}", "")
            self._failure.__cause__ = fault
        finally:
            self._free.set()


def _stopped(name: str, why: str, let_go: str) -> StepFailed:
    return StepFailed(
        "source-spared",
        what=f"the copy of {name} was stopped to spare the source",
        why=why,
        state=f"the source serves and was only read; {let_go or 'the copy is incomplete and begins again'}",
        next="dcshift throttle shows the limits; dcshift run begins the copy again, at a calmer hour",
    )
