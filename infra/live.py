"""Reads objects of the cluster of `KUBECONFIG`, with the owners of their fields; it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from infra.errors import InfraError

_SECONDS_MAX: Final = 20
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403


class NotAllowed(InfraError):  # noqa: N818  a fact about who asks, and for some no fault
    """Whoever asks may not read that."""


class Live:
    """One cluster as one user sees it; `connection` is the client library's."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._served: dict[str, dict[str, Any]] = {}

    def serves(self, document: Mapping[str, Any]) -> bool:
        """Return whether the cluster knows the object's kind. Raises `InfraError` when it does not answer."""
        return document["kind"] in self._kinds(document["apiVersion"])

    def read(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the live object that a document names, or None. Raises `InfraError` when it may not be read."""
        version, metadata = document["apiVersion"], document["metadata"]
        kind = self._kinds(version).get(document["kind"])
        if kind is None:
            return None
        inside = f"/namespaces/{metadata['namespace']}" if kind["namespaced"] else ""
        return self._get(f"{_root(version)}{inside}/{kind['name']}/{metadata['name']}")

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return every object of a list, none where the kind is not known. Raises `InfraError`."""
        found: list[dict[str, Any]] = (self._get(path) or {}).get("items") or []
        return found

    def _kinds(self, version: str) -> dict[str, Any]:
        if version not in self._served:
            found = self._get(_root(version)) or {"resources": []}
            self._served[version] = {each["kind"]: each for each in found["resources"] if "/" not in each["name"]}
        return self._served[version]

    def _get(self, path: str) -> dict[str, Any] | None:
        asked = self._connection.param_serialize(
            "GET", path, header_params={"Accept": "application/json"}, auth_settings=["BearerToken"]
        )
        try:
            answer = self._connection.call_api(*asked, _request_timeout=_SECONDS_MAX)
            answer.read()
            status, data = int(answer.status), bytes(answer.data or b"{}")
        except ApiException as refused:
            status, data = int(refused.status or 0), str(refused.body or refused.reason).encode()
        except (HTTPError, OSError) as silent:
            raise _unread(path, str(silent)) from silent
        if status == _NOT_FOUND:
            return None
        if status >= 400 or status == 0:
            raise _unread(path, data.decode(errors="replace")[:400], NotAllowed if status == _FORBIDDEN else InfraError)
        found: dict[str, Any] = json.loads(data)
        return found


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _unread(path: str, why: str, kind: type[InfraError] = InfraError) -> InfraError:
    return kind(
        "cluster-unread",
        what=f"{path} could not be read",
        why=why,
        state="nothing was written, and what is there is not known",
        next="see that KUBECONFIG names a cluster that answers, and an identity that may read it, such as auditor",
    )
