"""Asks a real API server as somebody: with a token of an account, or as a person of some groups; it judges nothing."""

from __future__ import annotations

import functools
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from infra.naming import IDENTITIES
from lab.api_server import ApiServer

Document = dict[str, Any]
_APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Asker:
    """One who asks; every answer is the caller's to judge."""

    client: httpx.Client
    resources: dict[tuple[str, str], str]

    def path(self, document: Document) -> str:
        version, metadata = document["apiVersion"], document["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        where = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
        return f"{root}{where}/{self.resources[version, document['kind']]}"

    def apply(self, document: Document, *, dry_run: bool = False) -> httpx.Response:
        """Server-side apply, as the stacks do."""
        words = {"fieldManager": "pulumi", "force": "true", **({"dryRun": "All"} if dry_run else {})}
        path = f"{self.path(document)}/{document['metadata']['name']}"
        return self.client.patch(path, params=words, content=json.dumps(document), headers={"Content-Type": _APPLY})

    def create(self, document: Document) -> httpx.Response:
        return self.client.post(self.path(document), params={"dryRun": "All"}, json=document)

    def delete(self, path: str, *, dry_run: bool = True) -> httpx.Response:
        return self.client.delete(path, params={"dryRun": "All"} if dry_run else {})


@functools.cache
def resources_of(api: ApiServer) -> dict[tuple[str, str], str]:
    """Return what each kind is called in addresses, as the server itself says."""
    groups = api.client.get("/apis").json()["groups"]
    versions = [version["groupVersion"] for group in groups for version in group["versions"]]
    found = {}
    for version, path in [("v1", "/api/v1"), *((each, f"/apis/{each}") for each in versions)]:
        for resource in api.client.get(path).json()["resources"]:
            if "/" not in resource["name"]:
                found[version, resource["kind"]] = resource["name"]
    return found


def token_of(api: ApiServer, account: str, namespace: str = IDENTITIES) -> str:
    """Return a token of an account, good for ten minutes, as whoever lends it asks for one."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = api.client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", json=request)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["status"]["token"])


@contextmanager
def with_token(api: ApiServer, account: str, namespace: str = IDENTITIES) -> Iterator[Asker]:
    """Yield one who has a token of an account and nothing else, as a pipeline does."""
    with by_token(api, token_of(api, account, namespace)) as asker:
        yield asker


@contextmanager
def by_token(api: ApiServer, token: str) -> Iterator[Asker]:
    """Yield one who has this token and nothing else."""
    cluster = json.loads(api.kubeconfig.read_text())["clusters"][0]["cluster"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=cluster["server"], verify=context, trust_env=False, timeout=120, headers=headers
    ) as client:
        yield Asker(client, resources_of(api))


@contextmanager
def as_person(api: ApiServer, user: str, *groups: str) -> Iterator[Asker]:
    """Yield a person of some groups, or an account by its name, as the server's authenticator would tell it."""
    headers = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
    cluster = json.loads(api.kubeconfig.read_text())
    files = cluster["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["clusters"][0]["cluster"]["certificate-authority"])
    context.load_cert_chain(files["client-certificate"], files["client-key"])
    with httpx.Client(
        base_url=cluster["clusters"][0]["cluster"]["server"],
        verify=context,
        trust_env=False,
        timeout=120,
        headers=headers,
    ) as client:
        yield Asker(client, resources_of(api))


def until(check: Any, what: str, limit_seconds: float = 240) -> None:
    end = time.monotonic() + limit_seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.2)
