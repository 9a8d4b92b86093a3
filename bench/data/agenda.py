"""What the bench of the data plane will do and about how long that takes; it measures nothing and only says so.

A guess becomes better on the way: what is left is scaled by what the steps so far took beside their guess.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench.data.names import DUMP, FOLDER_BYTES_MAX, IN_FOLDER, OF_OBJECTS, OURS, PHYSICAL, Work
from bench.measuring import Say
from lab.demo.screen import clock

FILLING, COUNTING, TREE = "filling", "counting", "writing the tree"
READ_ALL, PLAIN_COPY, COPY_ALL = "COPY to /dev/null", "cp and sync", "cp -a and sync"
_GIGABYTE: Final = 1e9
_BELIEVED_SECONDS: Final = 20.0
"""Before so much was expected to be done, its pace says little."""
# Seconds in any case, and for each gigabyte, on two idle cores and one disk: guesses, which nothing but words hangs on.
_SECONDS: Final = {
    FILLING: (5.0, 18.0),
    COUNTING: (0.5, 1.5),
    TREE: (0.5, 5.0),
    f"{READ_ALL} at {Work.DATABASE}": (0.5, 2.0),
    f"{OURS} at {Work.DATABASE}": (4.0, 11.0),
    f"{PHYSICAL} at {Work.DATABASE}": (9.0, 4.5),
    f"{DUMP} at {Work.DATABASE}": (1.0, 14.0),
    f"pgcopydb at {Work.DATABASE}": (2.0, 14.0),
    f"{OURS} at {Work.VERIFICATION}": (1.0, 3.0),
    f"reladiff at {Work.VERIFICATION}": (1.0, 9.0),
    f"{PLAIN_COPY} at {Work.OBJECTS}": (0.5, 3.5),
    f"{COPY_ALL} at {Work.TREE}": (0.5, 3.5),
}
_OF_FILES: Final = {
    Work.OBJECTS: (4.0, 10.0),
    Work.UNCHANGED: (2.0, 2.0),
    Work.TREE: (2.0, 5.0),
    Work.TREE_UNCHANGED: (1.0, 0.5),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work on so much data."""

    what: str
    size_bytes: int

    @property
    def seconds(self) -> float:
        """Return how long it takes, as far as anybody can guess before."""
        work = self.what.rpartition(" at ")[2]
        fixed, each = _SECONDS.get(self.what) or next((s for w, s in _OF_FILES.items() if w == work), (2.0, 10.0))
        return fixed + each * self.size_bytes / _GIGABYTE


def database(size_bytes: int, rounds: int, copiers: Sequence[str], provers: Sequence[str]) -> list[Step]:
    """Return the steps that fill a database and have it copied and compared by these in so many rounds."""
    once = [f"{READ_ALL} at {Work.DATABASE}", *(f"{name} at {Work.DATABASE}" for name in copiers)]
    once += [f"{name} at {Work.VERIFICATION}" for name in provers]
    each = [*once, *([COUNTING] * (1 + len(copiers)))]
    return [Step(what, size_bytes) for what in (FILLING, *(each * rounds))]


def objects(size_bytes: int, rounds: int, carriers: Sequence[str]) -> list[Step]:
    """Return the steps that write a tree and have it carried by these in so many rounds."""
    once = [f"{PLAIN_COPY} at {Work.OBJECTS}"]
    once += [f"{name} at {work}" for name in carriers for work in OF_OBJECTS]
    return [Step(what, size_bytes) for what in (TREE, *(once * rounds))]


def folders(size_bytes: int, rounds: int, keepers: Sequence[str]) -> list[Step]:
    """Return the steps that write a small tree and have it carried into a folder by these in so many rounds."""
    once = [f"{COPY_ALL} at {Work.TREE}", *(f"{name} at {work}" for name in keepers for work in IN_FOLDER)]
    return [Step(what, min(size_bytes, FOLDER_BYTES_MAX)) for what in (TREE, *(once * rounds))] if keepers else []


@dataclass(slots=True)
class Agenda:
    """All steps, and how far they are."""

    say: Say
    planned: Sequence[Step] = ()
    now: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    _done: int = 0
    _expected: float = 0.0
    _took: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.now()

    @property
    def left_seconds(self) -> float:
        """Return about how long what is left takes, at the pace so far."""
        return max(sum(step.seconds for step in self.planned) - self._expected, 0.0) * self._pace

    @property
    def all_seconds(self) -> float:
        """Return about how long all takes together, what is done included."""
        return self.now() - self.began + self.left_seconds

    @contextmanager
    def step(self, what: str, size_bytes: int, text: str) -> Iterator[None]:
        """Say what is done now, about how long it takes, and what is left in all."""
        step = Step(what, size_bytes)
        self._done += 1
        number = f"{self._done}/{max(len(self.planned), self._done)}"
        if step.seconds * self._pace >= 1.0:
            about = f"about {clock(step.seconds * self._pace)}, of {clock(self.left_seconds)} in all that is left"
            self.say(f"{number} {text}: {about}")
        began = self.now()
        yield
        self._expected += step.seconds
        self._took += self.now() - began

    @property
    def _pace(self) -> float:
        return self._took / self._expected if self._expected > _BELIEVED_SECONDS else 1.0
