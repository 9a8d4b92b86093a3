"""Works on many things at a time, without holding more of them, or more bytes, in memory than it was told."""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_TICK_SECONDS: Final = 1.0
_AHEAD: Final = 2


def spread(
    things: Iterable[T],
    work: Callable[[T], R],
    *,
    workers: int,
    on_done: Callable[[R], None],
    on_tick: Callable[[], None] = lambda: None,
    on_break: Callable[[], None] = lambda: None,
) -> None:
    """Do the work for each thing; `on_done` and `on_tick` (about each second) are called in this thread.

    The first failure ends it: what is under way is waited for and told, the rest is not begun, and the failure raised.
    `on_break` is called when this thread itself is to end, by a person's Ctrl-C or because nobody reads what it says:
    work that takes long has to be told.
    """
    waiting: set[Future[R]] = set()
    failures: list[BaseException] = []

    def take(*, at_most: int) -> None:
        while len(waiting) > at_most:
            done, _ = wait(waiting, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
            waiting.difference_update(done)
            for one in done:
                if failure := one.exception():
                    failures.append(failure)
                else:
                    on_done(one.result())
            on_tick()
            if failures and at_most:
                return

    with ThreadPoolExecutor(workers) as pool:
        try:
            for thing in things:
                waiting.add(pool.submit(work, thing))
                take(at_most=_AHEAD * workers - 1)
                if failures:
                    break
            if failures:
                for one in [one for one in waiting if one.cancel()]:
                    waiting.remove(one)
            take(at_most=0)
        except BaseException:
            on_break()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        raise failures[0]


def ahead(things: Iterator[T]) -> Iterator[T]:
    """Yield what a thread of its own makes, one of them ahead; its failure is raised here.

    For who is asked for the next piece where nothing else may be asked, as in the middle of a client's own loop.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=1)
    given_up = threading.Event()

    def put(one: T | _End) -> None:
        while not given_up.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(one, timeout=_TICK_SECONDS)
                return

    def make() -> None:
        end = _End(None)
        try:
            for one in things:
                put(one)
                if given_up.is_set():
                    return
        except BaseException as failure:  # handed on, whatever it is: it is raised where the pieces are taken
            end = _End(failure)
        put(end)

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    try:
        while not isinstance(one := waiting.get(), _End):
            yield one
        if one.failure is not None:
            raise one.failure
    finally:
        given_up.set()
        maker.join()


@dataclass(frozen=True, slots=True)
class _End:
    """Nothing more comes; why, if it failed."""

    failure: BaseException | None


class Budget:
    """So many bytes for all workers together."""

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._turn, self._changed = threading.Lock(), threading.Condition()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Wait until so many bytes are free, and keep them for as long as the block; more than all of them is all."""
        wanted = min(count, self._total)
        with self._turn, self._changed:  # one waits at a time: a large one is not overtaken by small ones for ever
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


def memory_bytes_most() -> int | None:
    """Return the most memory that this process has had, None where the kernel does not say.

    Not by `getrusage`: that begins with what the process that started us had.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+([0-9]+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
