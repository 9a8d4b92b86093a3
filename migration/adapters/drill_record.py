"""Writes down in the cluster what a drill of one system found: the last one, and the last whose copy was equal.

Whoever declares the databases reads it there (`infra/drills.py`); it holds figures and names of tables, no row and no
key. It keeps no history: that is in the files of whoever ran the drills.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from migration.adapters.drill_room import LABELS, scratch_name
from migration.adapters.kubernetes import KubernetesCluster
from migration.errors import StepFailed

LAST: Final = "last"
EQUAL: Final = "last-equal"
_FIELD_MANAGER: Final = "dcshift-drill"
_REQUEST_SECONDS: Final = 10


class DrillRecord:
    """One ConfigMap in the namespace of drills, called as the scratch database is."""

    def __init__(self, system: str, namespace: str, cluster: KubernetesCluster) -> None:
        self._namespace, self._name, self._cluster = namespace, scratch_name(system), cluster
        self._what = f"ConfigMap {namespace}/{self._name}"

    def write(self, document: Mapping[str, Any]) -> str:
        """Write what was found and read it again; return where it stands. Raises `StepFailed`."""
        text = json.dumps(document, ensure_ascii=False, sort_keys=True)
        # A drill that found a difference leaves the good one before it: how old that is, is what must be known.
        data = {LAST: text, **({} if document["differences"] else {EQUAL: text})}
        body = {"metadata": {"name": self._name, "namespace": self._namespace, "labels": LABELS}, "data": data}
        try:
            self._send("create", body)
        except StepFailed as refused:
            if refused.code != "target-object-exists":
                raise
            self._send("patch", body)
        found = self._read()
        if {key: found.get(key) for key in data} != data:
            raise StepFailed(
                "target-object-differs",
                what=f"{self._what} was written, but another value was read back",
                why="something else writes it too",
                state="the drill itself has ended, and its scratch database is removed",
                next=f"kubectl -n {self._namespace} get configmap {self._name} -o yaml --show-managed-fields",
            )
        return f"{self._namespace}/{self._name}"

    def _read(self) -> Mapping[str, str]:
        from kubernetes import client

        def ask(api: Any) -> Any:
            return client.CoreV1Api(api).read_namespaced_config_map(
                self._name, self._namespace, _request_timeout=_REQUEST_SECONDS
            )

        return self._cluster.ask(ask, self._what).data or {}

    def _send(self, verb: str, body: Mapping[str, Any]) -> None:
        from kubernetes import client

        def ask(api: Any) -> Any:
            core, name = client.CoreV1Api(api), () if verb == "create" else (self._name,)
            method = getattr(core, f"{verb}_namespaced_config_map")
            more = {"field_manager": _FIELD_MANAGER, "_request_timeout": _REQUEST_SECONDS}
            return method(*name, self._namespace, body, **more)

        self._cluster.ask(ask, self._what)
