"""What the bench of the data plane found, as the committed JSON keeps it, and the table that the docs show of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from bench import results
from bench.results import Count, Machine, Seconds, Strict

FILE: Final = results.FILE.with_name("data.json")
MEMORY_BYTES_MAX: Final = 300 * 2**20
"""What a mover of ours may hold with everything that it starts."""
_UNMEASURED: Final = "Not measured yet: `make bench-data` on an idle machine, then `make docs`.\n"
UsedSeconds = Annotated[float, Field(ge=0)]


class Work(StrEnum):
    """What is done by ours and by its peers alike."""

    DATABASE = "database"
    VERIFICATION = "verification"
    OBJECTS = "objects"
    UNCHANGED = "objects-unchanged"


class Kind(StrEnum):
    """Whose a program is; a floor is what no program that does the work can be faster than."""

    OURS = "ours"
    PEER = "peer"
    FLOOR = "floor"


_RATIOS: Final = {
    "postgres_logical_ratio": Work.DATABASE,
    "verification_cpu_ratio": Work.VERIFICATION,
    "objects_ratio": Work.OBJECTS,
    "objects_unchanged_ratio": Work.UNCHANGED,
}


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


class Data(Strict):
    """One run of `make bench-data`. A ratio without a peer is left out, as is that of an engine that we do not have."""

    measured: str
    versions: dict[str, str]
    settings: dict[str, str]
    machine: Machine
    moved: Moved
    rounds: Count
    postgres_logical_ratio: Seconds | None = None
    verification_cpu_ratio: Seconds | None = None
    objects_ratio: Seconds | None = None
    objects_unchanged_ratio: Seconds | None = None
    peak_memory_bytes: dict[str, Count]
    absent: dict[str, str]
    """What is not compared, and why."""
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
        return self


def derived(runs: Sequence[Run]) -> dict[str, float | dict[str, int] | None]:
    """Return what is worked out from the runs: every ratio to the best peer, and the peaks."""
    peaks: dict[str, int] = {}
    for run in (each for each in runs if each.peak_memory_bytes):
        name = f"{run.program} at {run.work}"
        peaks[name] = max(peaks.get(name, 0), run.peak_memory_bytes)
    # The cheapest peer is the one that we look worst beside.
    best = {key: max(ratios(runs, work).values(), default=None) for key, work in _RATIOS.items()}
    return {**best, "peak_memory_bytes": peaks}


def ratios(runs: Sequence[Run], work: Work) -> dict[str, float]:
    """Return our median cost by that of each peer: below 1 we are cheaper."""
    costs = medians(runs, work)
    ours = [program for program, kind in programs(runs, work).items() if kind is Kind.OURS]
    peers = [program for program, kind in programs(runs, work).items() if kind is Kind.PEER]
    return {peer: round(costs[ours[0]] / costs[peer], 2) for peer in peers} if ours else {}


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


def page(found: Data | None, text: str) -> str:
    """Return the page `text` with the table of these results. Raises `ValueError` where it has no place for it."""
    return results.placed(text, FILE, table(found) if found else _UNMEASURED)


def table(found: Data) -> str:
    """Return the results as the docs show them."""
    lines = [
        "| work | program | wall: median (least–most) | CPU: program + servers | ratio to it | peak memory |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for work in Work:
        costs = medians(found.runs, work)
        for program in sorted(costs, key=costs.__getitem__):
            lines.append(_row(work, program, found.runs))
    held = max(run.peak_memory_bytes for run in found.runs if run.kind is Kind.OURS)
    kept = "kept" if held <= MEMORY_BYTES_MAX else "**broken**"
    moved, machine = found.moved, found.machine
    foreign = max(run.foreign_cpu_seconds / run.seconds for run in found.runs)
    return "\n".join([
        *lines,
        "",
        f"Ours held {held / 2**20:.0f} MiB at most; the bound is {MEMORY_BYTES_MAX / 2**20:.0f} MiB: {kept}.",
        f"Moved: a database of {moved.database_bytes / 1e9:.2f} GB with {moved.rows:,} rows and "
        f"{moved.large_objects:,} large objects, and {moved.files:,} files of {moved.file_bytes / 1e9:.2f} GB.",
        f"Measured {found.measured} in {found.rounds} rounds on {machine.cores} cores and "
        f"{machine.memory_bytes / 2**30:.0f} GiB, with a load of {machine.load_before:.1f} before; other work took "
        f"{foreign:.2f} cores at most during a run.",
        "",
        *(f"- not compared: {name}: {why}" for name, why in sorted(found.absent.items())),
        *(f"- {name}: {version}" for name, version in sorted(found.versions.items())),
        *(f"- settings of {name}: `{setting}`" for name, setting in sorted(found.settings.items())),
        "",
    ])  # fmt: skip


def _row(work: Work, program: str, runs: Sequence[Run]) -> str:
    mine = [run for run in runs if (run.work, run.program) == (work, program)]
    wall = sorted(run.seconds for run in mine)
    own = statistics.median(run.cpu_seconds for run in mine)
    servers = statistics.median(run.server_cpu_seconds for run in mine)
    kind = mine[0].kind
    shown = {Kind.OURS: f"**{program}**", Kind.PEER: program, Kind.FLOOR: f"*{program}* (floor)"}[kind]
    ratio = ratios(runs, work).get(program)
    peak = max(run.peak_memory_bytes for run in mine)
    held = f"{peak / 2**20:.0f} MiB" if peak else "too short to see"
    return (
        f"| {work} | {shown} | {statistics.median(wall):.1f} s ({wall[0]:.1f}–{wall[-1]:.1f}) "
        f"| {own:.1f} + {servers:.1f} s | {'' if ratio is None else f'{ratio:.2f}'} | {held} |"
    )
