"""What the two servers say of themselves, as the findings need it; it only reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from migration.movers.mariadb import link
from migration.movers.mariadb.link import Connection, quoted

_OF_THE_SERVER: Final = ("information_schema", "mysql", "performance_schema", "sys")
_DEFINED: Final = (
    ("trigger", "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA"),
    ("event", "SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA"),
    ("routine", "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA"),
    ("view", "SELECT TABLE_SCHEMA, TABLE_NAME, DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA"),
)
_ON_UPDATE: Final = (
    "SELECT CONCAT(EVENT_OBJECT_SCHEMA, '.', EVENT_OBJECT_TABLE) FROM information_schema.TRIGGERS"
    " WHERE EVENT_MANIPULATION = 'UPDATE'"
)
_ASLEEP: Final = (
    "SELECT CONCAT(EVENT_SCHEMA, '.', EVENT_NAME) FROM information_schema.EVENTS WHERE STATUS = 'SLAVESIDE_DISABLED'"
)


@dataclass(frozen=True, slots=True)
class Table:
    """One table or sequence."""

    name: str
    """`database.table`, as people write it."""
    kind: str
    """`BASE TABLE`, `SEQUENCE`, `SYSTEM VERSIONED` or `VIEW`, as the catalogue says."""
    engine: str
    collations: frozenset[str]
    """Its own and those of its columns."""
    types: frozenset[str]
    keyed: bool
    """Whether some unique index tells every row from every other."""
    key_types: frozenset[str]
    """Of the columns of its primary key; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One server, and what it holds of the databases that are moved."""

    where: str
    account: str
    """The mover's own."""
    version: str
    settings: dict[str, str]
    databases: dict[str, str]
    """All that are not the server's own or ours, with their collations."""
    tables: tuple[Table, ...]
    bytes: int
    defined: tuple[tuple[str, str, str], ...]
    """Triggers, events, routines and views: which kind, name, and whose rights it has."""
    broken_views: tuple[str, ...]
    on_update: frozenset[str]
    """Tables with triggers that run when a row is updated."""
    asleep: tuple[str, ...]
    """Events that are disabled as on a replica."""
    accounts: frozenset[str]
    using: frozenset[str]
    """Accounts with rights in the databases."""
    privileged: frozenset[str]
    """Accounts that write whatever `read_only` says."""
    collations: frozenset[str]
    channels: tuple[str, ...]
    prepared: int
    zones: int
    """Time zones that it knows by name."""
    log_filters: str
    gtid_state: str

    @property
    def number(self) -> tuple[int, int]:
        found = re.match(r"(\d+)\.(\d+)\.", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.version.lower()

    def has(self, name: str, value: str) -> bool:
        """Say whether a setting has this value."""
        return self.settings.get(name, "").upper() == value


def rights(connection: Connection) -> frozenset[str]:
    """Return the privileges of the mover's account on the whole server; without them the rest cannot be asked."""
    user, _, host = str(link.one(connection, "SELECT CURRENT_USER()")).rpartition("@")
    query = "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s"
    return _names(connection, query, (f"'{user}'@'{host}'",))


def of(connection: Connection, where: str, moved: tuple[str, ...]) -> Facts:
    """Ask one server."""
    every = link.rows(connection, "SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA")
    databases = {name: str(collation) for name, collation in every if name not in (*_OF_THE_SERVER, "dcshift")}
    settings = {name.lower(): str(value) for name, value in link.rows(connection, "SHOW GLOBAL VARIABLES")}
    master = link.named(connection, "SHOW MASTER STATUS")
    tables, bytes_ = _tables(connection, moved)
    return Facts(
        where=where,
        account=str(link.one(connection, "SELECT CURRENT_USER()")),
        version=settings["version"],
        settings=settings,
        databases=databases,
        tables=tables,
        bytes=bytes_,
        defined=_defined(connection, moved),
        broken_views=tuple(_broken(connection, moved)),
        on_update=_names(connection, f"{_ON_UPDATE} AND TRIGGER_SCHEMA IN ({_marks(moved)})", moved),
        asleep=tuple(sorted(_names(connection, f"{_ASLEEP} AND EVENT_SCHEMA IN ({_marks(moved)})", moved))),
        accounts=_names(connection, "SELECT CONCAT(User, IF(is_role = 'Y', '', CONCAT('@', Host))) FROM mysql.user"),
        using=_using(connection, moved),
        privileged=_unquoted(
            connection,
            "SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES"
            " WHERE PRIVILEGE_TYPE IN ('SUPER', 'READ_ONLY ADMIN')",
        ),
        collations=_collations(connection),
        channels=tuple(str(one["Connection_name"]) for one in link.named(connection, "SHOW ALL SLAVES STATUS")),
        prepared=len(link.rows(connection, "XA RECOVER")),
        zones=int(link.one(connection, "SELECT COUNT(*) FROM mysql.time_zone_name")),
        log_filters=" ".join(str(master[0][name]) for name in ("Binlog_Do_DB", "Binlog_Ignore_DB")) if master else "",
        gtid_state=settings.get("gtid_binlog_state", ""),
    )


def modern(collation: str) -> str:
    """Return a collation as newer servers call it: before 10.6, utf8mb3 was called utf8."""
    return re.sub(r"^utf8(?=_|$)", "utf8mb3", collation)


def _tables(connection: Connection, moved: tuple[str, ...]) -> tuple[tuple[Table, ...], int]:
    within = _within(moved)
    columns: dict[str, list[tuple[str, str | None, str]]] = {}
    words = "TABLE_SCHEMA, TABLE_NAME, DATA_TYPE, COLLATION_NAME, COLUMN_KEY"
    query = f"SELECT {words} FROM information_schema.COLUMNS {within}"
    for schema, table, type_, collation, key in link.rows(connection, query, moved):
        columns.setdefault(f"{schema}.{table}", []).append((type_, collation, key))
    indexes: dict[tuple[str, str], bool] = {}
    words = "TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, NULLABLE"
    query = f"SELECT {words} FROM information_schema.STATISTICS {within}"
    for schema, table, index, not_unique, nullable in link.rows(connection, query, moved):
        key = (f"{schema}.{table}", index)
        indexes[key] = indexes.get(key, True) and not not_unique and nullable != "YES"
    keyed = {table for (table, _), tells in indexes.items() if tells}
    query = (
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, DATA_LENGTH"
        f" FROM information_schema.TABLES {within} ORDER BY 1, 2"
    )
    found, bytes_ = [], 0
    for schema, table, kind, engine, collation, length in link.rows(connection, query, moved):
        name = f"{schema}.{table}"
        inside = columns.get(name, [])
        collations = frozenset(modern(str(one)) for one in (collation, *(c for _, c, _ in inside)) if one)
        types, key_types = (
            frozenset(type_ for type_, _, _ in inside),
            frozenset(type_ for type_, _, key in inside if key == "PRI"),
        )
        found.append(Table(name, kind, str(engine or ""), collations, types, name in keyed, key_types))
        bytes_ += int(length or 0)
    return tuple(found), bytes_


def _defined(connection: Connection, moved: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    found = []
    for kind, query in _DEFINED:
        rows = link.rows(connection, f"{query} IN ({_marks(moved)}) ORDER BY 1, 2", moved)
        # A role has no host.
        found += [(kind, f"{schema}.{name}", str(definer).removesuffix("@")) for schema, name, definer in rows]
    return tuple(found)


def _broken(connection: Connection, moved: tuple[str, ...]) -> list[str]:
    found = []
    query = f"SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS {_within(moved)} ORDER BY 1, 2"
    for schema, view in link.rows(connection, query, moved):
        try:
            link.rows(connection, f"SHOW FIELDS FROM {quoted(schema, view)}")
        except link.DatabaseError as failure:
            found.append(f"{schema}.{view} ({failure.args[-1]})")
    return found


def _using(connection: Connection, moved: tuple[str, ...]) -> frozenset[str]:
    # The database of a grant is a pattern, in which _ and % may be escaped.
    query = (
        "SELECT GRANTEE, REPLACE(TABLE_SCHEMA, '\\\\', '') FROM information_schema.SCHEMA_PRIVILEGES"
        " UNION SELECT GRANTEE, TABLE_SCHEMA FROM information_schema.TABLE_PRIVILEGES"
    )
    return frozenset(_plain(grantee) for grantee, database in link.rows(connection, query) if database in moved)


def _collations(connection: Connection) -> frozenset[str]:
    # Newer servers have long and short names, in a column that older ones lack.
    found: set[str] = set()
    for row in link.rows(connection, "SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"):
        found |= {modern(str(name)) for name in row if name}
    return frozenset(found)


def _names(connection: Connection, query: str, parameters: tuple[object, ...] | None = None) -> frozenset[str]:
    return frozenset(str(name) for (name,) in link.rows(connection, query, parameters))


def _unquoted(connection: Connection, query: str) -> frozenset[str]:
    return frozenset(_plain(str(grantee)) for (grantee,) in link.rows(connection, query))


def _plain(grantee: str) -> str:
    """Return an account as definers are written, out of `'user'@'host'`."""
    user, at, host = grantee.rpartition("@")
    return f"{user.strip(chr(39))}@{host.strip(chr(39))}" if at else grantee.strip(chr(39))


def _within(moved: tuple[str, ...]) -> str:
    return f"WHERE TABLE_SCHEMA IN ({_marks(moved)})"


def _marks(moved: tuple[Any, ...]) -> str:
    return ", ".join(["%s"] * len(moved))
