"""Passwords and keys, made where they are used and kept in the cluster; never in a Pulumi state and never printed.

What exists is kept: a second run changes nothing, so that nobody's login breaks.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any, Final

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from catalogue.system import System
from infra import naming, order
from infra.errors import InfraError

_PASSWORD_BYTES: Final = 30
_LABELS: Final = {"app.kubernetes.io/managed-by": "dcshift-provide", "app.kubernetes.io/part-of": "dcshift"}
# The operator passes a changed password on to PostgreSQL.
_RELOADED: Final = {**_LABELS, "cnpg.io/reload": "true"}
_BASIC: Final = "kubernetes.io/basic-auth"


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was asked for, and whether it was there already."""

    name: str
    made: bool


class Secrets:
    """The Secrets of one cluster."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @classmethod
    def of(cls, api_client: client.ApiClient) -> Secrets:
        return cls(client.CoreV1Api(api_client))

    def require_namespaces(self, system: System) -> None:
        """Raise `InfraError` unless the stacks below made the namespaces in which something of a system is kept."""
        for namespace in (naming.app_namespace(system.id), naming.data_namespace(system.id)):
            self.require_namespace(namespace, system.id, order.ground(system.id))
        self.require_namespace(naming.DRILLS, system.id)

    def require_namespace(self, namespace: str, whom: str, stack: str = "platform") -> None:
        """Raise `InfraError` unless a stack made its namespace; `whom` it is for is said."""
        try:
            self._api.read_namespace(namespace)
        except ApiException as missing:
            if missing.status != 404:
                raise
            raise InfraError(
                "namespace-missing",
                what=f"nothing was provided for {whom}",
                why=f"namespace {namespace} does not exist; the stack {stack} makes it",
                state=f"nothing of {whom} was changed",
                next=f"pulumi up --stack {stack}, then python -m infra.provide again",
            ) from missing

    def read(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return a Secret's values, or None when there is none."""
        try:
            found = self._api.read_namespaced_secret(name, namespace)
        except ApiException as missing:
            if missing.status == 404:
                return None
            raise
        return {key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()}

    def write(self, namespace: str, name: str, values: dict[str, str], *, login: bool = False) -> None:
        """Make a Secret, or give an existing one these values; return once it was read back."""
        body = client.V1Secret(
            metadata=client.V1ObjectMeta(name=name, labels=_RELOADED if login else _LABELS),
            type=_BASIC if login else "Opaque",
            string_data=values,
        )
        try:
            self._api.create_namespaced_secret(namespace, body)
        except ApiException as refused:
            if refused.status != 409:
                raise
            self._api.patch_namespaced_secret(name, namespace, {"stringData": values})
        if self.read(namespace, name) != values:
            raise InfraError(
                "secret-not-kept",
                what=f"Secret {namespace}/{name} does not hold what was written",
                why="something else writes it",
                state="it is as that other writer left it",
                next="find its owner with kubectl get secret -o yaml --show-managed-fields",
            )

    def provide_logins(self, system: System) -> list[Done]:
        """See that the database's owner, the migration and the web application have their secrets."""
        app, data = naming.app_namespace(system.id), naming.data_namespace(system.id)
        return [
            self._owner(system, app, data),
            self._login(data, naming.migration_secret(system.id), naming.MIGRATION_ROLE),
            self._signing_key(app, naming.web_secret(system.id)),
        ]

    def _owner(self, system: System, app: str, data: str) -> Done:
        """See that both namespaces hold the same login: the database is in one and its users in the other."""
        name = naming.owner_secret(system.id)
        in_data, in_app = self.read(data, name), self.read(app, name)
        if in_data is not None and in_app is not None and in_data["password"] != in_app["password"]:
            raise InfraError(
                "owner-secrets-differ",
                what=f"Secret {name} holds one password in {data} and another in {app}",
                why="somebody changed one of the two; the database knows the one in the data namespace",
                state="neither was changed",
                next=f"kubectl -n {app} delete secret {name}, then python -m infra.provide again",
            )
        values = in_data or in_app or _new_login(system.id)
        for namespace, found in ((data, in_data), (app, in_app)):
            if found is None:
                self.write(namespace, name, values, login=True)
        return Done(f"login of the owner, Secret {name}", made=in_data is None or in_app is None)

    def _login(self, namespace: str, name: str, user: str) -> Done:
        missing = self.read(namespace, name) is None
        if missing:
            self.write(namespace, name, _new_login(user), login=True)
        return Done(f"login of {user}, Secret {name}", made=missing)

    def _signing_key(self, namespace: str, name: str) -> Done:
        missing = self.read(namespace, name) is None
        if missing:
            self.write(namespace, name, {"secret_key": secrets.token_urlsafe(50)})
        return Done(f"signing key of the web application, Secret {name}", made=missing)


def _new_login(user: str) -> dict[str, str]:
    return {"username": user, "password": secrets.token_urlsafe(_PASSWORD_BYTES)}
