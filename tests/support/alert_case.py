"""One moment of one alert: what is measured, and what people are told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them, the moment to look at, and what people are told: nothing, or one summary."""

    alert: str
    series: dict[str, str]
    at: str
    told: str | None = None
    labels: tuple[tuple[str, str], ...] = (("system", "portal"),)
    every: str = "1m"
    """Time between two values, and between two looks; equal for all cases of an alert."""
