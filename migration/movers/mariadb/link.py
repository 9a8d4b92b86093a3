"""Sessions with one MariaDB server, and its words in SQL; nothing that they write reaches a binary log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import pymysql
import pymysql.cursors
from pymysql.constants import CLIENT

from migration.movers.mariadb.job import MariadbServer

Row = tuple[Any, ...]
DatabaseError = pymysql.err.MySQLError
"""Whatever a server refused, or why it is not reached."""
_CONNECT_SECONDS: Final = 10
_LOCK_SECONDS: Final = 30


class Connection(Protocol):
    """A session of PyMySQL, as far as the mover uses it."""

    @property
    def open(self) -> bool: ...

    def cursor(self, cursor: type[Any] | None = None) -> Any: ...

    def thread_id(self) -> int: ...

    def ping(self, reconnect: bool = True) -> None: ...

    def close(self) -> None: ...


# What we do at either side is no transaction of the application: whoever follows must not be told of it.
_SESSION: Final = (
    "SET SESSION sql_log_bin = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', autocommit = 1, "
    "lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}, max_statement_time = {seconds}, "
    "wait_timeout = 604800"  # one of ours waits silently as long as a copy takes
)


def connect(server: MariadbServer, *, statement_seconds: float = 60.0) -> Connection:
    """Open a session whose statements have a limit, kept by the server and by us."""
    words: dict[str, Any] = dict(server.words())
    opened: Connection = pymysql.connect(
        **words,
        charset="utf8mb4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=statement_seconds + _CONNECT_SECONDS,
        write_timeout=statement_seconds + _CONNECT_SECONDS,
        autocommit=True,
        client_flag=CLIENT.FOUND_ROWS,
        init_command=_SESSION.format(lock=_LOCK_SECONDS, seconds=statement_seconds),
        local_infile=False,
    )
    return opened


@contextmanager
def session(server: MariadbServer, *, statement_seconds: float = 60.0) -> Iterator[Connection]:
    """Open a session and close it."""
    connection = connect(server, statement_seconds=statement_seconds)
    try:
        yield connection
    finally:
        if connection.open:
            connection.close()


def rows(connection: Connection, query: str, parameters: Sequence[object] | None = None) -> list[Row]:
    """Run one statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def named(connection: Connection, query: str) -> list[dict[str, Any]]:
    """Run one statement and return its rows by the names of its columns, as `SHOW` gives them."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def unbuffered(connection: Connection) -> Any:
    """Return a cursor whose rows stay on the server until they are fetched."""
    return connection.cursor(pymysql.cursors.SSCursor)


def one(connection: Connection, query: str, parameters: Sequence[object] | None = None) -> Any:
    """Run one statement and return its only value."""
    return rows(connection, query, parameters)[0][0]


def run(connection: Connection, *statements: str) -> None:
    """Run statements one after another."""
    for statement in statements:
        rows(connection, statement)


def quoted(*names: str) -> str:
    """Return a qualified identifier, safe for any name."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def literal(value: str) -> str:
    """Return a string constant, safe for any value."""
    return f"'{pymysql.converters.escape_string(value)}'"


def account(name: str) -> str:
    """Return an account out of its form in the catalogue, `user@host`; a role has no host."""
    user, at, host = name.rpartition("@")
    return f"{literal(user)}@{literal(host)}" if at else literal(name)
