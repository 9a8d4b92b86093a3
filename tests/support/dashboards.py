"""What declared dashboards ask of Prometheus; and which of it a lab that is well cannot answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]
OF_THE_PLATFORM: Final = (
    "Certificates end in, are renewed in",
    "Programs of the security log without a sign of life",
    "Alerts that were not delivered",
    "Rules that could not be evaluated",
)
"""Panels of what is nobody's alone."""
WITHOUT_AN_ANSWER: Final = {
    ("Alerts that fire", 0): "nobody is called",
    ("Since the archive worked, since it failed", 1): "its archive never failed",
    ("Age of the newest backup", 0): "it was born today, and its first night has not come",
    ("Jobs that failed in a day", 0): "it has no kube-state-metrics",
    ("Restarts in an hour", 0): "it has no kube-state-metrics",
    ("Since a restored backup was equal, against what may be", 0): "it has no kube-state-metrics",
    ("Since a restore drill failed", 0): "it has no kube-state-metrics",
    ("Programs of the security log without a sign of life", 0): "it has no kube-state-metrics",
}
"""Panel and number of the query of which Prometheus of a lab that is well knows no series, and why."""


@dataclass(frozen=True)
class Asked:
    """One query of one panel."""

    dashboard: str
    panel: str
    number: int
    expression: str


def read(configmaps: Iterable[Document]) -> list[Document]:
    """Return the dashboards in ConfigMaps that Grafana's helper would find by their label."""
    return [
        json.loads(text)
        for each in configmaps
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in each["data"].items()
        if name.endswith(".json")
    ]


def asked(dashboards: Iterable[Document], system: str) -> Iterator[Asked]:
    """Yield every query of every panel, as it is asked when people chose a system."""
    for dashboard in dashboards:
        for panel in dashboard["panels"]:
            for number, query in enumerate(panel["targets"]):
                yield Asked(dashboard["uid"], panel["title"], number, query["expr"].replace("$system", system))
