"""What the bench of the data plane found, as the committed JSON keeps it; how it is shown is in `shown.py`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from bench import results
from bench.data.names import DUMP, IN_FOLDER, OF_OBJECTS, OURS, PHYSICAL, RCLONE, RSYNC, Kind, Work
from bench.results import Count, Machine, Seconds, Strict

FILE: Final = results.FILE.with_name("data.json")
MEMORY_BYTES_MAX: Final = 300 * 2**20
"""What a mover of ours may hold with everything that it starts."""
UsedSeconds = Annotated[float, Field(ge=0)]


_RATIOS: Final = {
    "postgres_logical_ratio": (OURS, Work.DATABASE, DUMP),
    "postgres_physical_ratio": (PHYSICAL, Work.DATABASE, DUMP),
    "verification_cpu_ratio": (OURS, Work.VERIFICATION, None),
    "objects_ratio": (OURS, Work.OBJECTS, RCLONE),
    "objects_unchanged_ratio": (OURS, Work.UNCHANGED, RCLONE),
    "tree_ratio": (OURS, Work.TREE, RSYNC),
    "tree_unchanged_ratio": (OURS, Work.TREE_UNCHANGED, RSYNC),
}
"""Which of ours, at what, beside whom: None for the cheapest."""


class Run(Strict):
    """One program at its work once."""

    work: Work
    program: str
    kind: Kind
    round: Count
    seconds: Seconds
    cpu_seconds: UsedSeconds
    """Of the program and all that it started."""
    server_cpu_seconds: UsedSeconds
    """Of the servers that it spoke to."""
    foreign_cpu_seconds: UsedSeconds
    """Of everything else on the machine meanwhile, the kernel's own threads too: how quiet it was."""
    peak_memory_bytes: Annotated[int, Field(ge=0)]
    """Of the program and all that it started, not of the servers; 0 if it ended before anybody could look."""

    @property
    def cost(self) -> float:
        """Return what its work is compared by: proofs by all CPU, the others by wall time."""
        return self.cpu_seconds + self.server_cpu_seconds if self.work is Work.VERIFICATION else self.seconds


class Moved(Strict):
    """How much was moved."""

    database_bytes: Count
    rows: Count
    large_objects: Count
    files: Count
    file_bytes: Count
    folder_files: Count | None = None
    """Of the tree that was carried into folders."""
    folder_bytes: Count | None = None


class Point(Strict):
    """One of ours, or a floor, at its work on so much data."""

    work: Work
    program: str
    bytes: Count
    rounds: Count
    seconds: Seconds
    """The median, as is the CPU."""
    cpu_seconds: UsedSeconds
    """Of the program, of all that it started, and of the servers that it spoke to."""
    peak_memory_bytes: Annotated[int, Field(ge=0)]


class Data(Strict):
    """One run of `make bench-data`. A ratio without a peer is left out, as is that of a path that we do not have."""

    measured: str
    versions: dict[str, str]
    settings: dict[str, str]
    machine: Machine
    moved: Moved
    rounds: Count
    postgres_logical_ratio: Seconds | None = None
    postgres_physical_ratio: Seconds | None = None
    verification_cpu_ratio: Seconds | None = None
    objects_ratio: Seconds | None = None
    objects_unchanged_ratio: Seconds | None = None
    tree_ratio: Seconds | None = None
    tree_unchanged_ratio: Seconds | None = None
    to_the_cheapest_peer: dict[str, Seconds]
    """Each of ours at each work by the cheapest of all peers, whoever that is."""
    peak_memory_bytes: dict[str, Count]
    absent: dict[str, str]
    """What is not compared, and why."""
    growth: list[Point]
    """Ours at several sizes: that of these runs, and others with one round each."""
    runs: list[Run]

    @model_validator(mode="after")
    def _is_what_the_runs_give(self) -> Self:
        """Nobody writes a ratio by hand, and no run that went wrong is simply missing."""
        wrong = [key for key, value in derived(self.runs).items() if getattr(self, key) != value]
        if wrong:
            raise ValueError(f"not what the runs give: {', '.join(wrong)}")
        for work, program in {(run.work, run.program) for run in self.runs}:
            rounds = sorted(run.round for run in self.runs if (run.work, run.program) == (work, program))
            if rounds != list(range(1, self.rounds + 1)):
                raise ValueError(f"{program} has the rounds {rounds} at {work}, not 1 to {self.rounds}")
        if missing := [point for point in points(self.runs, self.moved) if point not in self.growth]:
            raise ValueError(f"not what the runs give: growth of {missing[0].program} at {missing[0].work}")
        return self


def derived(runs: Sequence[Run]) -> dict[str, float | dict[str, int] | dict[str, float] | None]:
    """Return what is worked out from the runs: ratios and peaks."""
    peaks: dict[str, int] = {}
    for run in (each for each in runs if each.peak_memory_bytes):
        name = f"{run.program} at {run.work}"
        peaks[name] = max(peaks.get(name, 0), run.peak_memory_bytes)
    to_all = {(ours, work): ratios(runs, work, ours) for work in Work for ours in (OURS, PHYSICAL)}
    # The cheapest peer is the one that we look worst beside.
    worst = {key: max(found.values()) for key, found in to_all.items() if found}
    named = {
        key: worst.get((ours, work)) if peer is None else to_all[ours, work].get(peer)
        for key, (ours, work, peer) in _RATIOS.items()
    }
    cheapest = {f"{ours} at {work}": ratio for (ours, work), ratio in worst.items()}
    return {**named, "to_the_cheapest_peer": cheapest, "peak_memory_bytes": peaks}


def ratios(runs: Sequence[Run], work: Work, ours: str = OURS) -> dict[str, float]:
    """Return the median cost of one of ours by that of each peer: below 1 it is cheaper."""
    costs = medians(runs, work)
    peers = [program for program, kind in programs(runs, work).items() if kind is Kind.PEER]
    return {peer: round(costs[ours] / costs[peer], 2) for peer in peers} if ours in costs else {}


def points(runs: Sequence[Run], moved: Moved) -> list[Point]:
    """Return ours and the floors at the size of these runs."""
    found = []
    for work in (each for each in Work if each not in IN_FOLDER):
        for program in (name for name, kind in programs(runs, work).items() if kind is not Kind.PEER):
            mine = [run for run in runs if (run.work, run.program) == (work, program)]
            point = Point(
                work=work, program=program, rounds=len(mine),
                bytes=moved.file_bytes if work in OF_OBJECTS else moved.database_bytes,
                seconds=round(statistics.median(run.seconds for run in mine), 3),
                cpu_seconds=round(statistics.median(run.cpu_seconds + run.server_cpu_seconds for run in mine), 3),
                peak_memory_bytes=max(run.peak_memory_bytes for run in mine),
            )  # fmt: skip
            found.append(point)
    return found


def programs(runs: Sequence[Run], work: Work) -> dict[str, Kind]:
    """Return who did this work."""
    return {run.program: run.kind for run in runs if run.work is work}


def medians(runs: Sequence[Run], work: Work) -> dict[str, float]:
    """Return each program's median cost of this work."""
    return {
        program: statistics.median(run.cost for run in runs if (run.work, run.program) == (work, program))
        for program in programs(runs, work)
    }


def read(file: Path = FILE) -> Data | None:
    """Return the committed results, or None while there are none. Raises `ValidationError` for others' shapes."""
    return Data.model_validate_json(file.read_text(encoding="utf-8")) if file.exists() else None


def write(found: Data, file: Path = FILE) -> None:
    """Keep the results in place of those before."""
    document = found.model_dump(mode="json", exclude_none=True)
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
