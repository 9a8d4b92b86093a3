"""A small client of the cluster's API for what the lab itself sets up; programs of dcshift never use it."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx

from lab.errors import LabError
from lab.target.layout import API_SERVER, PKI

Document = dict[str, Any]
_FIELD_MANAGER: Final = "dcshift-lab"
_TRIES: Final = 6
_ES_ENDINGS: Final = ("s", "x", "ch")


class Api:
    """The API server, spoken to as the cluster's administrator."""

    def __init__(self) -> None:
        context = ssl.create_default_context(cafile=str(PKI / "ca.pem"))
        context.load_cert_chain(PKI / "admin.pem", PKI / "admin.key")
        self._client = httpx.Client(base_url=API_SERVER, verify=context, timeout=10.0, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def ready(self) -> bool:
        """Return whether the API server answers that it can serve."""
        return self._status("/readyz") == 200

    def get(self, path: str) -> Document | None:
        """Return the object at `path`; None if there is none. Raises `LabError` on any other answer."""
        answer = self._call("GET", path)
        return None if answer.status_code == 404 else self._parsed(answer)

    def text(self, path: str) -> str:
        """Return the plain answer at `path` (logs); empty when it is refused."""
        answer = self._call("GET", path)
        return answer.text if answer.status_code == 200 else ""

    def items(self, path: str) -> list[Document]:
        """Return the objects of the collection at `path`."""
        found = self.get(path) or {}
        return list(found.get("items", []))

    def apply(self, document: Document, *, dry_run: bool = False) -> Document:
        """Create the object or change it into this (server-side apply); a dry run asks admission and keeps nothing."""
        answer = self._call(
            "PATCH",
            path_of(document),
            params={"fieldManager": _FIELD_MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})},
            headers={"content-type": "application/apply-patch+yaml"},
            content=json.dumps(document),  # JSON is YAML
        )
        return self._parsed(answer)

    def apply_all(self, documents: Iterable[Document]) -> None:
        """Apply objects in the order given."""
        for document in documents:
            self.apply(document)

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete the object or the collection at `path`; that there is none is fine."""
        params = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        answer = self._call("DELETE", path, params=params)
        if answer.status_code != 404:
            self._parsed(answer)

    def condition(self, path: str, kind: str) -> bool:
        """Return whether the object at `path` has the condition `kind` with status True."""
        found = self.get(path) or {}
        conditions = (found.get("status") or {}).get("conditions") or []  # a young definition has them null
        return any(entry["type"] == kind and entry["status"] == "True" for entry in conditions)

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request, again after a broken connection: each of ours has the same effect when repeated."""
        for attempt in range(_TRIES):
            try:
                return self._client.request(method, path, **request)
            except httpx.TransportError as broken:
                if attempt == _TRIES - 1:
                    raise LabError(
                        "cluster-silent",
                        what=f"the cluster did not answer {method} {path}",
                        why=f"{type(broken).__name__}: {broken}",
                        state="the target is half up",
                        next="python -m lab.target down, then up again",
                    ) from broken
                time.sleep(0.5)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _status(self, path: str) -> int:
        try:
            return self._client.get(path, timeout=2.0).status_code
        except httpx.HTTPError:
            return 0

    @staticmethod
    def _parsed(answer: httpx.Response) -> Document:
        if answer.status_code >= 400:
            raise LabError(
                "cluster-refused",
                what=f"the cluster refused {answer.request.method} {answer.request.url.path}",
                why=f"{answer.status_code}: {answer.text[:1500]}",
                state="the target is half up",
                next="python -m lab.target down, then up again",
            )
        parsed: Document = answer.json()
        return parsed


def path_of(document: Mapping[str, Any]) -> str:
    """Return the API path of an object from its own apiVersion, kind, namespace and name."""
    version, metadata = str(document["apiVersion"]), document["metadata"]
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    namespace = metadata.get("namespace")
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{inside}/{plural(str(document['kind']))}/{metadata['name']}"


def plural(kind: str) -> str:
    """Return the plural resource name of a kind; right for every kind that the lab applies."""
    word = kind.lower()
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(_ES_ENDINGS) else "s")
