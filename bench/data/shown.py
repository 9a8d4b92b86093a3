"""The tables that the docs show of what the bench of the data plane found; pure, but for the page itself."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import results as pages
from bench.data import picture
from bench.data.names import OF_OBJECTS, OURS, PHYSICAL, Kind, Work
from bench.data.results import FILE, MEMORY_BYTES_MAX, Data, Run, medians, ratios

PICTURE: Final = pages.PAGE.with_name("benchmarks-data.svg")
_UNMEASURED: Final = "Not measured yet: `make bench-data` on an idle machine, then `make docs`.\n"


def page(found: Data | None, text: str) -> str:
    """Return the page `text` with the table of these results. Raises `ValueError` where it has no place for it."""
    return pages.placed(text, FILE, table(found) if found else _UNMEASURED)


def draw(found: Data | None, file: Path = PICTURE) -> None:
    """Write the plot of these results, or take it away where there are none."""
    if found is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(picture.plot(found), encoding="utf-8")


def table(found: Data) -> str:
    """Return the results as the docs show them."""
    lines = [
        f"![Each program at each work, and ours on more and more data]({PICTURE.name})",
        "",
        "| work | program | wall: median (least–most) | CPU: program + servers | ours by it | peak memory |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for work in Work:
        costs = medians(found.runs, work)
        for program in sorted(costs, key=costs.__getitem__):
            lines.append(_row(work, program, found.runs))
    held = max(
        *(run.peak_memory_bytes for run in found.runs if run.kind is Kind.OURS),
        *(point.peak_memory_bytes for point in found.growth if point.program in (OURS, PHYSICAL)),
    )
    kept = "kept" if held <= MEMORY_BYTES_MAX else "**broken**"
    moved, machine = found.moved, found.machine
    small = f"; into folders {moved.folder_bytes / 1e9:.2f} GB of files" if moved.folder_bytes else ""
    foreign = max(run.foreign_cpu_seconds / run.seconds for run in found.runs)
    return "\n".join([
        *lines,
        "",
        *_growth(found),
        "",
        f"Ours held {held / 2**20:.0f} MiB at most; the bound is {MEMORY_BYTES_MAX / 2**20:.0f} MiB: {kept}.",
        f"Moved: a database of {moved.database_bytes / 1e9:.2f} GB with {moved.rows:,} rows and "
        f"{moved.large_objects:,} large objects, and {moved.files:,} files of {moved.file_bytes / 1e9:.2f} GB{small}.",
        f"Measured {found.measured} in {found.rounds} rounds on {machine.cores} cores and "
        f"{machine.memory_bytes / 2**30:.0f} GiB, with a load of {machine.load_before:.1f} before; other work took "
        f"{foreign:.2f} cores at most during a run.",
        "",
        *(f"- by the cheapest peer: {name}: {ratio:.2f}" for name, ratio in sorted(found.to_the_cheapest_peer.items())),
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
    ratio, whole = ratios(runs, work).get(program), ratios(runs, work, PHYSICAL).get(program)
    beside = ("" if ratio is None else f"{ratio:.2f}") + ("" if whole is None else f", physical {whole:.2f}")
    peak = max(run.peak_memory_bytes for run in mine)
    held = f"{peak / 2**20:.0f} MiB" if peak else "too short to see"
    return (
        f"| {work} | {shown} | {statistics.median(wall):.1f} s ({wall[0]:.1f}–{wall[-1]:.1f}) "
        f"| {own:.1f} + {servers:.1f} s | {beside} | {held} |"
    )


def _growth(found: Data) -> list[str]:
    """Return how the cost of ours grows: a column for each size."""
    lines = []
    for works in ((Work.DATABASE, Work.VERIFICATION), OF_OBJECTS):
        points = [point for point in found.growth if point.work in works]
        sizes = sorted({point.bytes for point in points})
        lines += [
            "| seconds, wall (CPU), on | " + " | ".join(f"{size / 1e9:.2f} GB" for size in sizes) + " |",
            "|---|" + "---:|" * len(sizes),
        ]
        for work, program in dict.fromkeys((point.work, point.program) for point in points):
            at = {point.bytes: point for point in points if (point.work, point.program) == (work, program)}
            cells = [f"{at[size].seconds:.1f} ({at[size].cpu_seconds:.1f})" if size in at else "" for size in sizes]
            lines.append(f"| {work}: {program} | {' | '.join(cells)} |")
        lines.append("")
    return lines[:-1]
