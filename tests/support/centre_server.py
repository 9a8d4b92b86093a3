"""A real API server on which platform and grounds were made, with a token of every identity; no controller runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra import naming
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_with_kinds
from tests.support.asking import Asker, resources_of, until, with_token
from tests.support.centres import lab
from tests.support.declared import GROUNDS

Document = dict[str, Any]
APP: Final = "httt-portal-app"
DATA: Final = "httt-portal-data"
ACCOUNTS: Final = (
    "platform",
    "tenancy",
    "data",
    "drill",
    "security",
    "auditor",
    "break-glass",
    "deploy-portal",
    "deploy-feedback",
)
SECRETS: Final = (
    (APP, "portal-db-app"),
    (APP, "portal-web"),
    (DATA, "portal-db-app"),
    (DATA, "portal-db-migration"),
    (DATA, "portal-db-ca"),
    ("httt-feedback-app", "feedback-db-app"),
    (naming.SECURITY_LOG, naming.SOC_TLS),
    (naming.SECURITY_LOG, naming.NATIONAL_TLS),
    (naming.SECURITY_LOG, naming.LOG_NATIONAL_TLS),
    (naming.LOG_AGENTS, naming.LOG_TLS),
    ("kube-system", "any"),
)
_FIRST: Final = ("Namespace", "ServiceAccount", "ClusterRole", "Role")


@dataclass(frozen=True)
class Centre:
    """A server on which the platform was made, and everybody who may ask it."""

    api: ApiServer
    admin: Asker
    who: dict[str, Asker]


@contextmanager
def centre_server(folder: Path) -> Iterator[Centre]:
    """Start a server and make platform and grounds on it, as its first administrator does."""
    with ExitStack() as stack:
        api = stack.enter_context(server_with_kinds(folder))
        admin = Asker(api.client, resources_of(api))
        for name in ("dcshift-edge", "cnpg-system", "cert-manager"):
            assert admin.apply(of_kind("v1", "Namespace", name)).status_code == 201
        for document in founded():
            answer = admin.apply(document)
            assert answer.status_code in (200, 201), answer.text
        for namespace, name in SECRETS:
            assert admin.apply(of_kind("v1", "Secret", name, namespace)).status_code == 201
        settled(admin)
        yield Centre(api, admin, {name: stack.enter_context(with_token(api, name)) for name in ACCOUNTS})


def documents(stack: str) -> list[Document]:
    found = [copy.deepcopy(dict(item.document)) for item in lab().stacks[stack]]
    return sorted(found, key=lambda d: _FIRST.index(d["kind"]) if d["kind"] in _FIRST else len(_FIRST))


def founded() -> list[Document]:
    """Return what stands in a centre before anything of a system: the platform's objects and all grounds'."""
    return [document for stack in ("platform", *GROUNDS) for document in documents(stack)]


def of_kind(version: str, kind: str, name: str, namespace: str | None = None, **more: Any) -> Document:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def settled(admin: Asker) -> None:
    """Do what controllers would, and wait until what was written is in force."""
    for document in founded():
        if document["kind"] == "ResourceQuota":
            hard = document["spec"]["hard"]
            status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
            path = f"{admin.path(document)}/{document['metadata']['name']}/status"
            answer = admin.client.patch(path, json=status, headers={"Content-Type": "application/merge-patch+json"})
            assert answer.status_code == 200, answer.text
    path = f"/api/v1/namespaces/{DATA}"
    until(lambda: admin.delete(path).status_code == 422, "the policies are not in force")


def sent(path: str, verb: str, asker: Asker) -> int:
    """Ask for something without a body, changing nothing; return the status."""
    match verb:
        case "get" | "list":
            return asker.client.get(path).status_code
        case "delete":
            return asker.delete(path).status_code
        case "patch":
            return asker.client.patch(
                path, params={"dryRun": "All"}, json={}, headers={"Content-Type": "application/merge-patch+json"}
            ).status_code
        case _:
            return asker.client.post(path, params={"dryRun": "All"}, json={}).status_code
