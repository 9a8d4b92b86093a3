"""ConfigMaps of one namespace that are ours by name; each request has a limit, and says what it was about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from migration.adapters.kubernetes import KubernetesCluster
from migration.errors import StepFailed

_REQUEST_SECONDS: Final = 10
Data = Mapping[str, str]


class ConfigMaps:
    """Those of one namespace; `manager` is who the cluster says wrote them. Every method raises `StepFailed`."""

    def __init__(self, namespace: str, cluster: KubernetesCluster, labels: Mapping[str, str], manager: str) -> None:
        self.namespace = namespace
        self._cluster, self._labels, self._manager = cluster, labels, manager

    def create(self, name: str, data: Data) -> None:
        self._send("create", name, body=self._body(name, data), field_manager=self._manager)

    def merge(self, name: str, data: Data) -> None:
        """Write these keys, and leave the others as they are."""
        try:
            self.create(name, data)
        except StepFailed as refused:
            if refused.code != "target-object-exists":
                raise
            self._send("patch", name, body=self._body(name, data), field_manager=self._manager)

    def read(self, name: str) -> Data | None:
        """Return what it holds, or None where it is not there."""
        try:
            return dict(self._send("read", name).data or {})
        except StepFailed as refused:
            if refused.code != "target-object-missing":
                raise
            return None

    def delete(self, name: str) -> None:
        """Delete it; one that is not there is deleted already."""
        try:
            self._send("delete", name)
        except StepFailed as refused:
            if refused.code != "target-object-missing":
                raise

    def differs(self, name: str, why: str, state: str) -> StepFailed:
        """Return the error of one that reads otherwise than it was written."""
        return StepFailed(
            "target-object-differs",
            what=f"ConfigMap {self.namespace}/{name} is not as it was left",
            why=why,
            state=state,
            next=f"kubectl -n {self.namespace} get configmap {name} -o yaml --show-managed-fields",
        )

    def _body(self, name: str, data: Data) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "namespace": self.namespace, "labels": dict(self._labels)},
            "data": dict(data),
        }

    def _send(self, verb: str, name: str, **more: Any) -> Any:
        from kubernetes import client

        named = () if verb == "create" else (name,)

        def ask(api: Any) -> Any:
            method = getattr(client.CoreV1Api(api), f"{verb}_namespaced_config_map")
            return method(*named, self.namespace, **more, _request_timeout=_REQUEST_SECONDS)

        return self._cluster.ask(ask, f"ConfigMap {self.namespace}/{name}")
