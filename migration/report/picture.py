"""Draws the timeline of a run as SVG text; pure, and it knows nothing of the rest of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDTH, _LABEL, _ROW, _BAR = 1000, 150, 22, 12
_COLOURS = {
    "prepare": "#8aa4b8",
    "replicate": "#4f81a8",
    "quiesce": "#d9a441",
    "cutover": "#c2703d",
    "watch": "#6f9a7b",
}
_UNDO, _LOST = "#b9a7c9", "#b04a4a"


def timeline(spans: Sequence[Mapping[str, Any]], *, title: str) -> str:
    """Return one picture: a lane for each component of each system, time from left to right."""
    ended = [span for span in spans if span["ended_at"] is not None]
    if not ended:
        return ""
    start, end = min(span["began_at"] for span in ended), max(span["ended_at"] for span in ended)
    wide = max(end - start, 0.001)
    lanes = list(dict.fromkeys(f"{span['system']} · {span['component']}" for span in ended))
    height = _ROW * len(lanes) + 34

    def x(moment: float) -> float:
        return float(_LABEL + (moment - start) / wide * (_WIDTH - _LABEL - 10))

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}" class="timeline">',
        f"<title>{escape(title)}</title>",
    ]
    for held in _holds(ended):
        left, right = x(held[0]), x(held[1])
        parts.append(
            f'<rect x="{left:.1f}" y="0" width="{max(right - left, 1):.1f}" height="{height - 24}" fill="#f6e7c8"/>'
        )
    for tick in _ticks(wide):
        place = x(start + tick)
        parts.append(f'<line x1="{place:.1f}" y1="0" x2="{place:.1f}" y2="{height - 24}" stroke="#e4e1da"/>')
        parts.append(f'<text x="{place:.1f}" y="{height - 8}" class="tick" text-anchor="middle">{_label(tick)}</text>')
    for number, lane in enumerate(lanes):
        y = number * _ROW + 4
        parts.append(f'<text x="0" y="{y + 10}" class="lane">{escape(lane)}</text>')
        for span in ended:
            if f"{span['system']} · {span['component']}" == lane:
                parts.append(_bar(span, x(span["began_at"]), x(span["ended_at"]), y))
    return "".join([*parts, "</svg>"])


def _bar(span: Mapping[str, Any], left: float, right: float, y: float) -> str:
    colour = _COLOURS.get(str(span["stage"]), "#999")
    if span["outcome"] in ("failed", "lost", "undo-failed"):
        colour = _LOST
    elif span["verb"] == "undo":
        colour = _UNDO
    seconds = span["ended_at"] - span["began_at"]
    words = f"{span['step']} {'undone ' if span['verb'] == 'undo' else ''}{span['outcome']} {seconds:.2f} s"
    return (
        f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1.5):.1f}" height="{_BAR}" rx="2" fill="{colour}">'
        f"<title>{escape(words)}</title></rect>"
    )


def _holds(spans: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return from when to when citizens of some system waited."""
    found: dict[str, tuple[float, float]] = {}
    for span in spans:
        if span["holds_users"] and span["verb"] == "do" and span["outcome"] == "done":
            began, ended = found.get(span["system"], (span["began_at"], span["ended_at"]))
            found[span["system"]] = (min(began, span["began_at"]), max(ended, span["ended_at"]))
    return list(found.values())


def _ticks(wide: float) -> list[float]:
    for step in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400):
        if wide / step <= 10:
            return [number * step for number in range(int(wide / step) + 1)]
    return [0.0, wide]


def _label(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d}"
