"""Knows how both databases of a system are reached, and by which secrets; it keeps no password on disk."""

from __future__ import annotations

import secrets as random
import socket
from pathlib import Path
from typing import Final

import psycopg
from pydantic import SecretStr

from catalogue.target import SecretRef, TargetDatabase
from migration.adapters.postgres import PROGRAM, Place
from migration.errors import MigrationError
from migration.model.context import SystemContext
from migration.movers import link
from migration.movers.link import Endpoint
from migration.ports import Cluster

PORT: Final = 5432


class TargetAccess:
    """The database on the target, and others of its cluster that know the migration's role."""

    def __init__(self, database: TargetDatabase, folder: Path, cluster: Cluster) -> None:
        self.database, self.folder, self._cluster = database, folder, cluster
        self._target: Endpoint | None = None

    def target(self) -> Endpoint:
        """Return the living database as the migration's role."""
        if self._target is None:
            database = self.database
            self._target = self.endpoint(database.host, database.namespace, database.ca_secret, self.folder)
        return self._target

    def endpoint(self, host: str, namespace: str, ca_secret: SecretRef, folder: Path) -> Endpoint:
        """Return a database as the migration's role; the authority of its certificate is kept in `folder`."""
        login = self.database.migration_secret
        secret = self._cluster.read_secret(login.namespace, login.name)
        root = folder / "target-ca.pem"
        root.write_text(self._cluster.read_secret(ca_secret.namespace, ca_secret.name)["ca.crt"])
        address, port = self._cluster.service_address(namespace, host.partition(".")[0])
        return Endpoint(
            host=host,
            # The name in the certificate means nothing to this machine's resolver: connect by address, verify by name.
            address=socket.gethostbyname(address),
            port=port,
            database=self.database.name,
            user=self.database.migration_role,
            password=SecretStr(secret["password"]),
            tls_mode="verify-full",
            tls_root=str(root),
        )


class Access:
    """Both databases of one system; what was read once is kept, as the freeze has no time to read it again."""

    def __init__(self, context: SystemContext, cluster: Cluster, source_port: int = PORT) -> None:
        self.context, self.cluster, self._port = context, cluster, source_port
        self._source: Endpoint | None = None
        self._at_target = TargetAccess(context.contract.database, context.state_folder, cluster)

    @property
    def name(self) -> str:
        """Name of slot, subscription and source role. One role a system: two systems may share a source server, and
        taking back one must not lock out the other.
        """
        return f"dcshift_{self.context.system.id.replace('-', '_')}"

    @property
    def _secret(self) -> tuple[str, str]:
        return self.context.contract.database.namespace, f"{self.context.system.id}-source-migration"

    def knows_source(self) -> bool:
        """Say whether this process has read already how the source is reached; the secret is kept on the target."""
        return self._source is not None

    def source_password(self) -> str | None:
        """Return the migration role's password at the source, or None when it was never made."""
        try:
            return dict(self.cluster.read_secret(*self._secret)).get("password") or None
        except MigrationError as unread:
            # Not knowing is no "never made": whoever undoes would leave the fence and the slot behind.
            if unread.code != "target-object-missing":
                raise
            return None

    def make_source_password(self) -> str:
        """Return the password, made now unless it exists; it is kept in the cluster before it is used."""
        if (known := self.source_password()) is not None:
            return known
        made = random.token_urlsafe(24)
        self.cluster.write_secret(*self._secret, {"username": self.name, "password": made})
        return made

    def forget_source_password(self) -> None:
        self._source = None
        self.cluster.delete_secret(*self._secret)

    def source(self) -> Endpoint:
        """Return the source as the migration's role; raises `MigrationError` when its secret is missing."""
        if self._source is not None:
            return self._source
        facts = self.context.facts.database
        password = dict(self.cluster.read_secret(*self._secret))["password"]
        address = self.context.hosts[facts.host].address
        plain = Endpoint(
            host=address, port=self._port, database=facts.name, user=self.name, password=SecretStr(password)
        )
        self._source = self._verified(plain)
        return self._source

    def feed(self) -> Endpoint:
        """Return the source as the target's server reaches it: encrypted; its authority is not known over there."""
        return self.source().model_copy(update={"tls_mode": "require", "tls_root": None})

    def _verified(self, plain: Endpoint) -> Endpoint:
        # An old server's certificate is often its own: its authority is used where it is the one at hand.
        if self.context.ca_file is None:
            return plain
        strict = plain.model_copy(update={"tls_mode": "verify-full", "tls_root": str(self.context.ca_file)})
        try:
            link.connect(strict, program=PROGRAM).close()
        except psycopg.OperationalError as refused:
            if "certificate" in str(refused):
                return plain
            raise
        return strict

    def target(self) -> Endpoint:
        """Return the target as the migration's role."""
        return self._at_target.target()

    def places(self) -> tuple[Place, Place]:
        """Return both sides as the proofs need them."""
        facts, contract = self.context.facts.database, self.context.contract.database
        return (
            Place(self.source(), facts.owner, self.name),
            Place(self.target(), contract.owner, contract.migration_role),
        )
