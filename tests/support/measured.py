"""What Prometheus and Alertmanager of the lab say, asked through the API server: nothing else reaches them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

Raw = Callable[..., str]
"""`kubectl` with its words; returns what it printed."""


class Measured:
    """The monitoring of one cluster."""

    def __init__(self, kubectl: Raw) -> None:
        self._kubectl = kubectl

    def prometheus(self, path: str) -> Any:
        return self._get(f"prometheus:9090/proxy/api/v1/{path}")["data"]

    def called(self) -> set[tuple[str, str, str]]:
        """Return name, system and job of every alert that Alertmanager has and that is not over."""
        return {self._told(alert["labels"]) for alert in self._get("alertmanager:9093/proxy/api/v2/alerts")}

    def firing(self) -> set[tuple[str, str, str]]:
        alerts = self.prometheus("alerts")["alerts"]
        return {self._told(alert["labels"]) for alert in alerts if alert["state"] == "firing"}

    def by_system(self, query: str) -> dict[str, float]:
        found = self.prometheus(f"query?query={quote(query, safe='')}")["result"]
        return {each["metric"]["system"]: float(each["value"][1]) for each in found}

    def _get(self, path: str) -> Any:
        return json.loads(self._kubectl("get", "--raw", f"/api/v1/namespaces/dcshift-monitoring/services/{path}"))

    @staticmethod
    def _told(labels: dict[str, str]) -> tuple[str, str, str]:
        return labels["alertname"], labels["system"], labels.get("job", "")


def until(what: str, holds: Callable[[], bool], limit_seconds: float = 360) -> None:
    end = time.monotonic() + limit_seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {limit_seconds:.0f} s"
        time.sleep(3)
