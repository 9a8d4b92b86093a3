"""Dashboards and their panels as Grafana reads them: its classic JSON, which 10 and later take; pure.

A panel asks in fixed windows and never in `$__rate_interval`: what people see is what an alert compares, and
Prometheus' own judge can read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from infra.monitoring import alerts, series

Document = dict[str, Any]
SCHEMA_VERSION: Final = 42
"""The latest of the classic format; an older Grafana reads it as it is, a newer one converts it."""
TAG: Final = "dcshift"
SYSTEM: Final = "system"
"""Name of the variable by which people choose a system."""
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 12, 8
"""Two beside each other fill Grafana's 24 columns."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; each of its series is called by its labels."""

    expression: str
    legend: str = "{{system}}"

    def of_one_system(self) -> Query:
        """Return it for the system that people chose; the label is asked of a series that every system has."""
        chosen = f'{series.BUDGET}{{system="${SYSTEM}"}}'
        return replace(self, expression=f"({self.expression}) and on (system) {chosen}")


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what it shows, beyond which value somebody is called, and the page that says what to do then."""

    title: str
    unit: str
    """As Grafana names units: `s`, `bytes`, `percentunit` for a part of 1, `reqps`, `short` for a plain number."""
    queries: tuple[Query, ...]
    alerts: tuple[str, ...] = ()
    limit: float | None = None
    """Values beyond it are red."""
    about: str = ""
    kind: Literal["timeseries", "stat"] = "timeseries"
    """`timeseries`: how it came; `stat`: how it is."""

    def of_one_system(self) -> Panel:
        """Return it for the system that people chose."""
        return replace(self, queries=tuple(query.of_one_system() for query in self.queries))

    def document(self, place: int, runbooks: str) -> Document:
        """Return it as Grafana reads it, at a place counted from the upper left."""
        is_stat = self.kind == "stat"
        return {
            "id": place + 1,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "gridPos": {"x": place % 2 * _WIDTH, "y": place // 2 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
            "datasource": _DATASOURCE,
            "targets": [
                {
                    "refId": chr(ord("A") + number),
                    "datasource": _DATASOURCE,
                    "expr": query.expression,
                    "legendFormat": query.legend,
                    "instant": is_stat,
                    "range": not is_stat,
                }
                for number, query in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": self._field(), "overrides": []},
            "options": _STAT if is_stat else _LINES,
            "links": [
                {"title": alert, "url": alerts.runbook(alert, runbooks), "targetBlank": True} for alert in self.alerts
            ],
        }

    def _field(self) -> Document:
        found: Document = {"unit": self.unit, "min": 0, "color": {"mode": "palette-classic"}}
        if self.limit is None:
            return found
        steps = [{"color": "green", "value": None}, {"color": "red", "value": self.limit}]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
        if self.kind == "stat":
            return {**found, "color": {"mode": "thresholds"}}
        return {**found, "custom": {"thresholdsStyle": {"mode": "dashed"}}}


_LINES: Final = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
_STAT: Final = {
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    "colorMode": "value",
    "graphMode": "none",
    "textMode": "value_and_name",
}


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of panels."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    of_one_system: bool = False

    def document(self, runbooks: str) -> Document:
        """Return it as Grafana reads it."""
        shown = [panel.of_one_system() if self.of_one_system else panel for panel in self.panels]
        return {
            "uid": f"{TAG}-{self.name}",
            "title": self.title,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            # What people change there is gone with the next start: it is changed here.
            "editable": False,
            "timezone": "browser",
            "graphTooltip": 1,
            "refresh": "1m",
            "time": {"from": "now-6h", "to": "now"},
            "links": [{"type": "dashboards", "tags": [TAG], "title": TAG, "includeVars": True, "keepTime": True}],
            "templating": {"list": [_CHOICE_OF_SOURCE, *([_CHOICE_OF_SYSTEM] if self.of_one_system else [])]},
            "annotations": {"list": []},
            "panels": [panel.document(place, runbooks) for place, panel in enumerate(shown)],
        }


_CHOICE_OF_SOURCE: Final = {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}
_CHOICE_OF_SYSTEM: Final = {
    "type": "query",
    "name": SYSTEM,
    "label": "System",
    "datasource": _DATASOURCE,
    "query": {"query": f"label_values({series.BUDGET}, system)", "refId": "systems"},
    # Asked again when the time range changes: systems come and go.
    "refresh": 2,
    "sort": 1,
}
