"""Renders the evidence as one self-contained HTML page, calm on a screen and on paper; it adds no fact of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from migration.report.picture import timeline

_STATES = {
    "moved": ("đã chuyển", "moved"),
    "released": ("đã chuyển luồng", "released"),
    "moving": ("đang chuyển", "moving"),
    "held": ("đang giữ yêu cầu", "requests held"),
    "untouched": ("chưa bắt đầu", "untouched"),
    "failed": ("đã hoàn tác", "failed and undone"),
    "rolled back": ("đã quay lại", "rolled back"),
    "stuck": ("cần người xử lý", "needs a person"),
}


def render(document: Mapping[str, Any]) -> str:
    """Return the page; every value is escaped, and a missing one is an error, not a gap."""
    environment = Environment(
        loader=PackageLoader("migration", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, size=_size, seconds=_seconds, state=lambda word: _STATES[word])
    spans = document["timeline"]
    holds = {
        name: Markup(timeline(freeze, title=f"{name}: the freeze"))  # noqa: S704  drawn by us, every word escaped there
        for name in document["systems"]
        if (freeze := _freeze(spans, name))
    }
    whole = Markup(timeline(spans, title="the whole run"))  # noqa: S704  drawn by us, every word escaped there
    return environment.get_template("page.html").render(document, whole=whole, holds=holds)


def _freeze(spans: list[dict[str, Any]], system: str) -> list[dict[str, Any]]:
    """Return what happened while citizens of this system waited, the last time they did."""
    held = [span for span in spans if span["system"] == system and span["holds_users"] and span["verb"] == "do"]
    first = [
        number for number, span in enumerate(held) if span["component"] == "traffic" and span["stage"] == "quiesce"
    ]
    return held[first[-1] :] if first else []


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}".replace(",", " ")


def _size(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s" if value < 100 else f"{value / 60:.1f} min"
