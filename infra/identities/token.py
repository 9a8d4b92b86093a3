"""One short-lived token of an identity, and the kubeconfig that holds it; the token is never printed or logged."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from infra import cluster_api, naming
from infra.errors import InfraError

_SECONDS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Lent:
    """A kubeconfig with a token in it, and when the API server will no longer take it."""

    document: dict[str, Any]
    expires: str


def lend(identity: str, minutes: int) -> Lent:
    """Ask the cluster of `KUBECONFIG` for a token. Raises `InfraError`; the asker's own rights decide."""
    core = cluster_api.core()
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": minutes * 60},
    }
    try:
        made = core.create_namespaced_service_account_token(
            identity, naming.IDENTITIES, request, _request_timeout=_SECONDS_MAX
        )
    except (ApiException, HTTPError) as refused:
        raise _refused(identity, refused) from refused
    document = _kubeconfig(identity, core.api_client.configuration, made.status.token)
    return Lent(document, made.status.expiration_timestamp.isoformat())


def write(file: Path, lent: Lent) -> None:
    """Write it so that only its owner reads it, at no moment anybody else. Raises `InfraError`."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(secret, "w", encoding="utf-8") as output:
            json.dump(lent.document, output, indent=1)
        unfinished.replace(file)
    except OSError as bad:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise InfraError(
            "kubeconfig-not-written",
            what=f"the kubeconfig could not be written to {file}",
            why=str(bad),
            state=f"nothing is there; the token that was made is lost, and ends at {lent.expires} by itself",
            next="give a file that can be written with --output",
        ) from bad


def _refused(identity: str, refused: ApiException | HTTPError) -> InfraError:
    match getattr(refused, "status", None):
        case 404:
            return InfraError(
                "identity-missing",
                what=f"the cluster has no identity {identity}",
                why=f"account {naming.IDENTITIES}/{identity} does not exist; the stack platform makes it",
                state="nothing was written",
                next="pulumi up --stack platform, then this again",
            )
        case 401 | 403:
            return InfraError(
                "identity-refused",
                what=f"you may not have the identity {identity}",
                why="only the identity platform and administrators of the cluster may make tokens of others",
                state="nothing was written",
                next="name the kubeconfig of one who may in KUBECONFIG; docs/identities.md says who",
            )
        case _:
            return InfraError(
                "identity-unanswered",
                what=f"no token of the identity {identity} was made",
                why=str(refused),
                state="nothing was written",
                next="check that the cluster of KUBECONFIG answers: kubectl get --raw /readyz",
            )


def _kubeconfig(identity: str, reached: Any, token: str) -> dict[str, Any]:
    cluster: dict[str, Any] = {"server": reached.host}
    if reached.ssl_ca_cert:
        authority = Path(reached.ssl_ca_cert).read_bytes()
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    if reached.tls_server_name:
        cluster["tls-server-name"] = reached.tls_server_name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "centre", "cluster": cluster}],
        "users": [{"name": identity, "user": {"token": token}}],
        "contexts": [{"name": identity, "context": {"cluster": "centre", "user": identity}}],
        "current-context": identity,
    }
