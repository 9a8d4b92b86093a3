"""Does pieces of work side by side, the longest way to the end first; the first piece that fails ends all of them.

It knows nothing of databases: a piece is a call, a weight, and what must have ended before it.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum

from migration.movers.programs import Brake


class Kind(StrEnum):
    """What a piece does; the pace of each kind is measured by itself."""

    CARRY = "carry"
    BUILD = "build"


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One piece of work that is done by one thread."""

    kind: Kind
    name: str
    """What it does, as the end of a sentence: `index public.x`."""
    weight_bytes: int
    """How long it takes: as long as loading so many bytes of rows."""
    run: Callable[[Slots], None]
    after: Sequence[Piece] = ()
    """Pieces that must have ended before it."""
    table: str = ""
    """The one table that it works on, quoted, if there is one."""


def gate(name: str, after: Sequence[Piece]) -> Piece:
    """Return a piece that does nothing but come after all of these, so that others need to know it alone."""
    return Piece(Kind.BUILD, name, 0, lambda _: None, after)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the work stands at one moment."""

    ended: Sequence[Piece]
    at_work: Sequence[Piece]
    waiting: Sequence[Piece]
    slot_seconds: dict[Kind, float]
    """Seconds that slots were taken by each kind, those at work included."""


class Slots:
    """So many threads, and the pieces that they share; in their list, each stands behind all that it comes after."""

    def __init__(self, pieces: Sequence[Piece], slots: int, brake: Brake) -> None:
        self._pieces, self._slots, self._brake = pieces, slots, brake
        self._lock = threading.Lock()
        self._began: dict[Piece, float] = {}
        self._ended: set[Piece] = set()
        self._spent = dict.fromkeys(Kind, 0.0)
        way = ways(pieces)
        self._rank = {piece: (-way[piece], number) for number, piece in enumerate(pieces)}
        self._blocked = {piece: len(set(piece.after)) for piece in pieces}
        self._behind: dict[Piece, list[Piece]] = {piece: [] for piece in pieces}
        for piece in pieces:
            for before in set(piece.after):
                self._behind[before].append(piece)
        self._ready = [(self._rank[piece], piece) for piece in pieces if not piece.after]
        heapq.heapify(self._ready)

    def run(self) -> None:
        """Do all of it. Raises what the first piece raised, or what the brake was pulled for by somebody else."""
        tasks: dict[Future[None], Piece] = {}
        with ThreadPoolExecutor(self._slots) as pool:
            try:
                while True:
                    tasks |= {pool.submit(piece.run, self): piece for piece in self._begin()}
                    if not tasks:
                        break
                    for task in wait(tasks, return_when=FIRST_COMPLETED).done:
                        self._end(tasks.pop(task), task.exception())
            except BaseException as cut_off:
                self._brake.pull(cut_off)
                raise
        if self._brake.why is not None:
            raise self._brake.why

    def spare(self) -> int:
        """Return how many slots are idle now because nothing can begin."""
        with self._lock:
            return max(self._slots - len(self._began), 0)

    def standing(self) -> Standing:
        """Return where the work stands."""
        with self._lock:
            now = time.monotonic()
            seconds = dict(self._spent)
            for piece, began in self._began.items():
                seconds[piece.kind] += now - began
            waiting = [each for each in self._pieces if each not in self._ended and each not in self._began]
            return Standing(tuple(self._ended), tuple(self._began), waiting, seconds)

    def _begin(self) -> list[Piece]:
        """Choose what begins now: of what may, what has the longest way to the end."""
        chosen: list[Piece] = []
        with self._lock:
            while self._brake.why is None and self._ready and len(self._began) < self._slots:
                _, piece = heapq.heappop(self._ready)
                self._began[piece] = time.monotonic()
                chosen.append(piece)
        return chosen

    def _end(self, piece: Piece, failure: BaseException | None) -> None:
        if failure is not None:
            self._brake.pull(failure)
        with self._lock:
            self._spent[piece.kind] += time.monotonic() - self._began.pop(piece)
            if failure is not None:
                return
            self._ended.add(piece)
            for behind in self._behind[piece]:
                self._blocked[behind] -= 1
                if not self._blocked[behind]:
                    heapq.heappush(self._ready, (self._rank[behind], behind))


def ways(pieces: Sequence[Piece]) -> dict[Piece, int]:
    """Return for each piece its weight and that of the longest chain of pieces behind it."""
    found = {piece: piece.weight_bytes for piece in pieces}
    for piece in reversed(pieces):
        for before in piece.after:
            found[before] = max(found[before], before.weight_bytes + found[piece])
    return found
