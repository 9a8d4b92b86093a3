"""Connections to one PostgreSQL database, for our own sessions and for its C programs; no secret reaches an argv."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from migration.verification.session import PINNED

Connection = psycopg.Connection[tuple[Any, ...]]


class Endpoint(BaseModel):
    """Where a database is reached and as whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    """Name that the server's certificate carries."""
    address: str | None = None
    """IP address to connect to, when `host` is not resolvable here."""
    port: int = Field(default=5432, ge=1, le=65535)
    database: str
    user: str
    password: SecretStr
    tls_mode: str = "require"
    tls_root: str | None = None
    """Path of the authority's certificates; needed by `verify-full`."""

    def parameters(self) -> dict[str, str]:
        """Return libpq's parameters but the password."""
        words = {
            "host": self.host,
            "port": str(self.port),
            "dbname": self.database,
            "user": self.user,
            "sslmode": self.tls_mode,
            "connect_timeout": str(SILENCE_SECONDS_MAX),
        }
        if self.address is not None:
            words["hostaddr"] = self.address
        if self.tls_root is not None:
            words["sslrootcert"] = self.tls_root
        return words

    def conninfo(self, **more: str) -> str:
        """Return a connection string with the password; never log it."""
        return make_conninfo(**{**self.parameters(), "password": self.password.get_secret_value(), **more})

    def revealed(self) -> dict[str, object]:
        """Return the fields with the password in clear, for a job that is handed on through a pipe."""
        return {**self.model_dump(), "password": self.password.get_secret_value()}

    def environment(self, pass_file: Path) -> dict[str, str]:
        """Return the environment by which psql, pg_dump and pg_restore find this database."""
        names = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER"}
        names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "connect_timeout": "PGCONNECT_TIMEOUT"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        own = {names[key]: value for key, value in self.parameters().items()}
        return {**kept, **own, "PGPASSFILE": str(pass_file), "PGCLIENTENCODING": "UTF8"}

    def pass_line(self) -> str:
        """Return the line of a password file for this database."""
        fields = (self.host, str(self.port), "*", self.user, self.password.get_secret_value())
        return ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields) + "\n"


SILENCE_SECONDS_MAX = 30
"""A server that acknowledges nothing for this long is given up; a poor link may be silent for a while."""
HOLD_SILENCE_SECONDS_MAX = 8
"""The same while citizens may be waiting."""


def connect(
    endpoint: Endpoint,
    *,
    program: str,
    statement_seconds: float = 60.0,
    autocommit: bool = True,
    silence_seconds_max: int | None = None,
) -> Connection:
    """Open a session whose statements have a limit; `program` is how the server's views name it.

    A statement's limit is kept by the server. Whether there still is one is asked by the kernel's keepalives: without
    them an answer from a host that is gone is awaited for ever: `SILENCE_SECONDS_MAX` if not told otherwise.
    """
    if silence_seconds_max is None:
        silence_seconds_max = SILENCE_SECONDS_MAX
    options = f"-c statement_timeout={int(statement_seconds * 1000)} -c client_min_messages=error"
    return psycopg.connect(
        endpoint.conninfo(
            application_name=program,
            options=options,
            connect_timeout=str(silence_seconds_max),
            keepalives_idle=str(max(1, silence_seconds_max // 4)),
            keepalives_interval=str(max(1, silence_seconds_max // 4)),
            tcp_user_timeout=str(1000 * silence_seconds_max),
            client_encoding="UTF8",
        ),
        autocommit=autocommit,
    )


@contextmanager
def session(
    endpoint: Endpoint,
    *,
    program: str,
    statement_seconds: float = 60.0,
    silence_seconds_max: int | None = None,
) -> Iterator[Connection]:
    """Open a session in autocommit and close it."""
    connection = connect(
        endpoint, program=program, statement_seconds=statement_seconds, silence_seconds_max=silence_seconds_max
    )
    try:
        yield connection
    finally:
        connection.close()


def pin(connection: Connection) -> None:
    """Give every value and definition that a session reads one text form, whatever its server is set to."""
    settings = ", ".join(f"set_config({literal(name)}, {literal(value)}, false)" for name, value in PINNED.items())
    rows(connection, f"SELECT {settings}")


def rows(connection: Connection, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Run one query and return its rows; parameters are never part of the text."""
    with connection.cursor() as cursor:
        cursor.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def run(connection: Connection, *statements: str) -> None:
    """Run statements one after another."""
    for statement in statements:
        connection.execute(statement.encode())


def quoted(*names: str) -> str:
    """Return a qualified identifier, safe for any name."""
    return sql.Identifier(*names).as_string(None)


def literal(value: str) -> str:
    """Return a string constant, safe for any value."""
    return sql.Literal(value).as_string(None)
