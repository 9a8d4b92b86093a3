"""The API server, asked for one object at a time; it keeps the server's own words in every error."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from standin.kinds import Kind, UnsupportedError
from standin.values import Json

Document = dict[str, Json]
_APPLY: Final = "application/apply-patch+yaml"
_REQUEST_SECONDS: Final = (5, 60)
_CONFLICT: Final = re.compile(
    r'conflicts? with "(?P<manager>[^"]+)"(?: with subresource "[^"]+")?(?: using (?P<api>\S+))?'
)


class ClusterError(Exception):
    """The API server refused, or did not answer; `status` is 0 when there was no answer."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Address:
    """Where the objects of one kind live."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str) -> str:
        inside = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.root}{inside}/{self.plural}/{name}"


class Cluster:
    """One cluster as one user of it; safe to use from several threads."""

    def __init__(self, kubeconfig: str, context: str | None) -> None:
        configuration = kubernetes_client.Configuration()
        configuration.connection_pool_maxsize = 64
        try:
            if _is_content(kubeconfig):
                kubernetes_config.load_kube_config_from_dict(
                    yaml.safe_load(kubeconfig), context=context, client_configuration=configuration
                )
            else:
                path = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
                kubernetes_config.load_kube_config(path, context=context, client_configuration=configuration)
        except (kubernetes_config.ConfigException, OSError, yaml.YAMLError) as bad:
            raise ClusterError(0, f"the kubeconfig cannot be used: {bad}") from bad
        self._client = kubernetes_client.ApiClient(configuration)
        self._addresses: dict[str, dict[str, Address]] = {}
        self._lock = threading.Lock()

    def address(self, kind: Kind) -> Address:
        """Return where a kind lives. Raises `UnsupportedError` when the API server does not serve it."""
        with self._lock:
            known = self._addresses.get(kind.api_version, {})
            if kind.name not in known:
                known = self._discover(kind.api_version)
                self._addresses[kind.api_version] = known
        if kind.name not in known:
            raise UnsupportedError(
                f"the cluster does not serve kind {kind.name} in {kind.api_version}; "
                f"install its definition first (platform), then declare objects of it"
            )
        return known[kind.name]

    def _discover(self, api_version: str) -> dict[str, Address]:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = self._request("GET", root)
        except ClusterError as refused:
            if refused.status == 404:
                return {}
            raise
        return {
            resource["kind"]: Address(root, resource["name"], resource["namespaced"])
            for resource in listed["resources"]
            if "/" not in resource["name"]
        }

    def get(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """Return an object, or None when there is none."""
        try:
            return self._request("GET", self.address(kind).path(namespace, name))
        except ClusterError as refused:
            if refused.status == 404:
                return None
            raise

    def apply(
        self, kind: Kind, document: Document, manager: str, *, force: bool = False, dry_run: bool = False
    ) -> Document:
        """Server-side apply a document as `manager` and return the object."""
        metadata = document["metadata"]
        query = [("fieldManager", manager), ("force", "true" if force else "false"), ("fieldValidation", "Strict")]
        if dry_run:
            query.append(("dryRun", "All"))
        path = self.address(kind).path(metadata.get("namespace", ""), metadata["name"])
        return self._request("PATCH", path, query=query, body=document, content_type=_APPLY)

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, propagation: str) -> None:
        """Ask for the deletion of exactly the object with this uid."""
        options: Document = {"propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        self._request("DELETE", self.address(kind).path(namespace, name), body=options)

    def items(self, path: str, **selectors: str) -> list[Document]:
        """Return the objects of a collection; empty when the server does not let us see them."""
        try:
            return list(self._request("GET", path, query=list(selectors.items())).get("items") or [])
        except ClusterError:
            return []

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Json = None,
        content_type: str = "application/json",
    ) -> Document:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        serialized = self._client.param_serialize(
            method, path, query_params=query or [], header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = self._client.call_api(*serialized, _request_timeout=_REQUEST_SECONDS)
            answer.read()
            status, data = int(answer.status), bytes(answer.data or b"{}")
        except ApiException as refused:
            status, data = int(refused.status or 0), str(refused.body or refused.reason or refused).encode()
        except (HTTPError, OSError) as silent:
            raise ClusterError(0, f"the API server does not answer: {silent}") from silent
        if status >= 400 or status == 0:
            raise _error(status, data)
        parsed: Document = json.loads(data)
        return parsed


def _is_content(kubeconfig: str) -> bool:
    return "\n" in kubeconfig or kubeconfig.lstrip().startswith("{")


def _error(status: int, data: bytes) -> ClusterError:
    try:
        answer: Any = json.loads(data)
        message, reason = str(answer.get("message", "")), str(answer.get("reason", ""))
    except (json.JSONDecodeError, AttributeError):
        message, reason = data.decode(errors="replace")[:2000], ""
    if status == 409 and "conflict" in message:
        return ClusterError(status, conflict_sentence(message), "FieldConflict")
    return ClusterError(status, f"the API server refused ({status} {reason}): {message}", reason)


def conflict_sentence(message: str) -> str:
    """Return the server's message on a field conflict with the owners named first and the way out last."""
    owners = ", ".join(dict.fromkeys(found["manager"] for found in _CONFLICT.finditer(message)))
    fields = ", ".join(dict.fromkeys(re.findall(r"(?:^|: |\s- )(\.\S+)", message)))
    return (
        f"field {fields or '(unnamed)'} is owned by {owners or 'another manager'}; nothing was changed. "
        f"Let that manager give it up, leave the field out here, or take it over once with the annotation "
        f'pulumi.com/patchForce: "true". The API server said: {message}'
    )
