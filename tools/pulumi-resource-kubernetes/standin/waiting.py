"""Waits until an object is ready or gone, never without a limit, and says what it last saw when time is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from standin import readiness
from standin.cluster import Cluster, Document
from standin.kinds import Kind

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 2.0
_SHOWN: Final = 8


class NotReadyError(Exception):
    """An object exists but did not become ready; `reasons` say what was last seen of it."""

    def __init__(self, live: Document, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live, self.reasons = live, reasons


class CancelledError(Exception):
    """The user asked to stop."""


class Waiter:
    """Waits on one cluster; all waits end when `cancelled` is set."""

    def __init__(self, cluster: Cluster, cancelled: threading.Event) -> None:
        self._cluster, self._cancelled = cluster, cancelled

    def ready(self, kind: Kind, document: Document, limit_seconds: float, on_change: Callable[[str], None]) -> Document:
        """Return the object once it is ready. Raises `NotReadyError`, `CancelledError`."""
        namespace, name = document["metadata"].get("namespace", ""), document["metadata"]["name"]
        end, pause, said = time.monotonic() + limit_seconds, _FIRST_PAUSE_SECONDS, ""
        live: Document | None = document
        while True:
            if live is None:
                raise NotReadyError(document, [f"{kind.name} {name} was deleted while it was waited for"])
            found = readiness.state(live)
            if found.verdict == "ready":
                return live
            if found.verdict == "failed":
                raise NotReadyError(live, [found.why, *self.evidence(live)])
            if time.monotonic() >= end:
                raise NotReadyError(live, [f"not ready after {limit_seconds:.0f} s: {found.why}", *self.evidence(live)])
            if found.why != said:
                said = found.why
                on_change(said)
            self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            live = self._cluster.get(kind, namespace, name)

    def gone(self, kind: Kind, document: Document, limit_seconds: float) -> None:
        """Return once the object is gone. Raises `NotReadyError`, `CancelledError`."""
        metadata = document["metadata"]
        end, pause = time.monotonic() + limit_seconds, _FIRST_PAUSE_SECONDS
        while True:
            live = self._cluster.get(kind, metadata.get("namespace", ""), metadata["name"])
            if live is None or live["metadata"]["uid"] != metadata["uid"]:
                return
            if time.monotonic() >= end:
                held = ", ".join(live["metadata"].get("finalizers") or []) or "nothing named"
                said = [entry.get("message", "") for entry in live.get("status", {}).get("conditions") or []]
                raise NotReadyError(
                    live, [f"still there after {limit_seconds:.0f} s; finalizers: {held}", *filter(None, said)]
                )
            self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _pause(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise CancelledError("stopped at the user's request while waiting; the object stays as it is")

    def evidence(self, live: Document) -> list[str]:
        """Return what the cluster says of an object that is not ready: its last events, and its pods' troubles."""
        namespace = live["metadata"].get("namespace", "")
        if not namespace:
            return []
        selector = f"involvedObject.uid={live['metadata']['uid']}"
        events = self._cluster.items(f"/api/v1/namespaces/{namespace}/events", fieldSelector=selector)
        reasons = [f"event {event.get('reason')}: {event.get('message')}" for event in events[-_SHOWN:]]
        labels = live.get("spec", {}).get("selector", {})
        matched = labels.get("matchLabels") if isinstance(labels, dict) else None
        if matched:
            selector = ",".join(f"{key}={value}" for key, value in matched.items())
            for pod in self._cluster.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)[:_SHOWN]:
                reasons += [f"pod {pod['metadata']['name']}: {trouble}" for trouble in pod_troubles(pod)]
        return reasons


def pod_troubles(pod: Document) -> list[str]:
    """Return why a pod's containers do not run or are not ready; pure."""
    status, troubles = pod.get("status", {}), []
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            troubles.append(f"not scheduled: {condition.get('message', '')}")
    for container in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        state = container.get("state", {})
        for phase in ("waiting", "terminated"):
            if state.get(phase, {}).get("reason") not in (None, "Completed"):
                told = state[phase]
                troubles.append(
                    f"container {container['name']} {phase}: {told['reason']} {told.get('message', '')}".strip()
                )
        if "running" in state and not container.get("ready"):
            troubles.append(f"container {container['name']} runs but its probes do not pass yet")
        if container.get("restartCount"):
            last = container.get("lastState", {}).get("terminated", {})
            troubles.append(
                f"container {container['name']} restarted {container['restartCount']} times, {last.get('reason', '')}"
            )
    return troubles
