"""Draws what the bench of the data plane found as SVG text: bars of every program, lines of ours as data grow; pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from bench.data.names import OURS, PHYSICAL, Kind, Work
from bench.data.results import Data, Point, Run, medians, programs

_WIDTH, _LABEL, _ROW, _BAR, _GAP = 1000, 210, 20, 13, 26
_PLOT_HEIGHT, _PLOT_LEFT = 260, 60
_FILLS: Final = {Kind.OURS: "#3f7399", Kind.PEER: "#b9b4aa", Kind.FLOOR: "#e4e1da"}
_LINES: Final = {
    (OURS, Work.DATABASE): "#3f7399",
    (PHYSICAL, Work.DATABASE): "#c2703d",
    (OURS, Work.VERIFICATION): "#6f9a7b",
    (OURS, Work.OBJECTS): "#8a6aa8",
    (OURS, Work.UNCHANGED): "#a09a90",
}
_TITLES: Final = {
    Work.DATABASE: "database copied: seconds, median (least to most)",
    Work.VERIFICATION: "content compared: seconds of CPU, ours all tables, reladiff one",
    Work.OBJECTS: "tree carried into a bucket: seconds",
    Work.UNCHANGED: "the same again, nothing changed: seconds",
    Work.TREE: "tree carried into a folder as it is: seconds",
    Work.TREE_UNCHANGED: "the same again into the folder, nothing changed: seconds",
}
_TEXT: Final = 'font-family="sans-serif" font-size="12" fill="#333"'


def plot(found: Data) -> str:
    """Return the whole picture."""
    parts, y = list[str](), 0.0
    for work in (work for work in Work if programs(found.runs, work)):
        drawn, y = _bars(found.runs, work, y + _GAP)
        parts += drawn
    lines, y = _growth(found.growth, y + _GAP)
    words = "Each program at each work, and ours on more and more data"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" role="img" aria-label="{words}">'
    return "\n".join([
        head,
        f"<title>{words}</title>",
        f'<rect width="{_WIDTH}" height="{y:.0f}" fill="#fff"/>',
        *parts,
        *lines,
        "</svg>\n",
    ])  # fmt: skip


def _bars(runs: Sequence[Run], work: Work, y: float) -> tuple[list[str], float]:
    """Return one bar for each program, cheapest first, and where the next may begin."""
    costs, kinds = medians(runs, work), programs(runs, work)
    spread = {
        name: sorted(run.cost for run in runs if (run.work, run.program) == (work, name)) for name in costs
    }  # fmt: skip
    most = max(values[-1] for values in spread.values())
    wide = (_WIDTH - _LABEL - 90) / max(most, 0.001)
    parts = [_text(0, y, _TITLES[work], bold=True)]
    for name in sorted(costs, key=costs.__getitem__):
        y += _ROW
        least, largest = (_LABEL + spread[name][place] * wide for place in (0, -1))
        parts += [
            _text(_LABEL - 8, y, name, anchor="end", bold=kinds[name] is Kind.OURS),
            f'<rect x="{_LABEL}" y="{y - _BAR + 2:.1f}" width="{max(costs[name] * wide, 1):.1f}" height="{_BAR}" '
            f'fill="{_FILLS[kinds[name]]}"/>',
            f'<line x1="{least:.1f}" y1="{y - 4:.1f}" x2="{largest:.1f}" y2="{y - 4:.1f}" stroke="#333"/>',
            _text(largest + 8, y, f"{costs[name]:.1f} s"),
        ]
    return parts, y


def _growth(points: Sequence[Point], y: float) -> tuple[list[str], float]:
    """Return a line for each of ours: data to the right, seconds upwards; and where the picture ends."""
    ours = [point for point in points if (point.program, point.work) in _LINES]
    if not ours:
        return [], y
    most_bytes, most = max(point.bytes for point in ours) * 1.02, max(point.seconds for point in ours) * 1.05
    bottom, right = y + 14 + _PLOT_HEIGHT, _WIDTH - 190

    def x(size: float) -> float:
        return _PLOT_LEFT + size / most_bytes * (right - _PLOT_LEFT)

    def height(seconds: float) -> float:
        return bottom - seconds / most * _PLOT_HEIGHT

    parts = [_text(0, y, "ours on more and more data: seconds of wall time, by gigabytes", bold=True)]
    for tick in _ticks(most):
        parts.append(
            f'<line x1="{_PLOT_LEFT}" y1="{height(tick):.1f}" x2="{right}" y2="{height(tick):.1f}" stroke="#e4e1da"/>'
        )
        parts.append(_text(_PLOT_LEFT - 8, height(tick) + 4, f"{tick:g}", anchor="end"))
    for tick in _ticks(most_bytes / 1e9):
        parts.append(_text(x(tick * 1e9), bottom + 18, f"{tick:g}", anchor="middle"))
    taken: list[float] = []
    for program, work in sorted(_LINES, key=lambda line: -_last(ours, line)):
        line = sorted((p for p in ours if (p.program, p.work) == (program, work)), key=lambda point: point.bytes)
        if not line:
            continue
        colour = _LINES[program, work]
        places = [(x(point.bytes), height(point.seconds)) for point in line]
        parts.append(f'<polyline points="{_places(places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{left:.1f}" cy="{up:.1f}" r="3.5" fill="{colour}">'
            f"<title>{escape(f'{program}, {work}: {point.bytes / 1e9:.2f} GB, {point.seconds:.1f} s')}</title></circle>"
            for (left, up), point in zip(places, line, strict=True)
        ]
        # Names of lines that end close to one another stand below each other.
        label = max([places[-1][1] + 4, *(other + 14 for other in taken)])
        taken.append(label)
        name = f"{work}, physical" if program == PHYSICAL else str(work)
        parts.append(_text(right + 10, label, name, colour=colour))
    return parts, bottom + 30


def _last(points: Sequence[Point], line: tuple[str, Work]) -> float:
    mine = [point for point in points if (point.program, point.work) == line]
    return max(mine, key=lambda point: point.bytes).seconds if mine else 0.0


def _ticks(most: float) -> list[float]:
    steps = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)
    step = next((each for each in steps if most / each <= 8), most)
    return [round(number * step, 3) for number in range(int(most / step) + 1)]


def _places(them: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in them)


def _text(x: float, y: float, words: str, *, anchor: str = "start", bold: bool = False, colour: str = "") -> str:
    style = _TEXT.replace("#333", colour) if colour else _TEXT
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}{weight}>{escape(words)}</text>'
