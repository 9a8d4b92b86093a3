"""Which stacks are applied one after the other and which side by side; after a fault, or Ctrl-C, none is begun."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

from infra import order

WIDTH: Final = 2
"""Engines at once: a small stack keeps about one core busy, and each engine and plugin has its own memory."""
_LISTENED_EVERY_SECONDS: Final = 0.5

_Lane = TypeVar("_Lane")
Work = Callable[[str, _Lane], None]


def width(stacks: Sequence[str]) -> int:
    """Return how many lanes these stacks need."""
    return min(WIDTH, max((len(step) for step in order.steps(stacks)), default=1))


def run(
    stacks: Sequence[str],
    lanes: Sequence[_Lane],
    work: Work[_Lane],
    also: Callable[[BaseException], None],
) -> None:
    """Do `work` for every stack, each in a lane of its own while it lasts.

    What is at work when another fails is let come to its end: half of a stack is worse than a late answer. Raises what
    the first of them raised, in the stacks' order; `also` hears what the others did.
    """
    free: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)
    stopped = threading.Event()

    def one(stack: str, begin: threading.Event) -> None:
        begin.wait()
        lane = free.get()
        try:
            if not stopped.is_set():
                work(stack, lane)
        except BaseException:
            stopped.set()
            raise
        finally:
            free.put(lane)

    with ThreadPoolExecutor(max_workers=len(lanes), thread_name_prefix="lane") as pool:
        for step in order.steps(stacks):
            # The pool waits at its end for threads that it has noted, and Ctrl-C may come while it starts one: nothing
            # is at work before it has noted all of them.
            begin = threading.Event()
            try:
                began = [pool.submit(one, stack, begin) for stack in step]
                begin.set()
                # Not without a limit: a signal that comes just before a thread sleeps would be heard when it wakes.
                while wait(began, _LISTENED_EVERY_SECONDS).not_done:
                    pass
                if faults := [fault for each in began if (fault := each.exception())]:
                    for other in faults[1:]:
                        also(other)
                    raise faults[0]
            except BaseException:
                stopped.set()
                raise
            finally:
                begin.set()
