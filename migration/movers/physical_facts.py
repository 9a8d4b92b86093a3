"""What a physical move must know of the source server, of each database and of the new server; it only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from migration.movers import identity, link, physical_rare
from migration.movers.cluster import Cluster
from migration.movers.link import Connection, literal, quoted
from migration.movers.physical_job import PhysicalJob
from migration.movers.physical_rare import Rare, Tried

_SETTINGS: Final = (
    "wal_level", "max_replication_slots", "max_wal_senders", "max_slot_wal_keep_size", "max_prepared_transactions",
    "data_checksums", "block_size", "wal_block_size", "segment_size", "wal_segment_size", "max_identifier_length",
    "max_index_keys",
)  # fmt: skip
_SERVER: Final = """
SELECT version(), pg_is_in_recovery(), (SELECT rolname FROM pg_roles WHERE oid = 10),
    (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_prepared_xacts),
    ARRAY(SELECT subname::text FROM pg_subscription ORDER BY 1),
    ARRAY(SELECT spcname::text FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1),
    -- Files and addresses are the machine's own; the rest may matter to an application.
    ARRAY(SELECT name FROM pg_settings WHERE source IN ('configuration file', 'command line') AND name !~
        '^(listen_addresses|port|unix_socket_|ssl|.*_file$|data_directory|external_pid_file|cluster_name|log_|logging_)'
        ORDER BY name)
"""
_DATABASES: Final = """
SELECT datname, datistemplate, datallowconn, pg_encoding_to_char(encoding), datcollate, datctype,
    CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END, {provider}, {locale}
FROM pg_database
"""
_LIBRARIES: Final = """
SELECT DISTINCT p.probin FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'c' AND p.probin IS NOT NULL AND p.oid >= 16384 ORDER BY 1
"""
# Of columns of tables and of indexes; options of opclasses (13+) live there too and are named differently each time.
_COLUMN_OPTIONS: Final = """
SELECT DISTINCT split_part(o, '=', 1), split_part(o, '=', 2) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid,
    unnest(a.attoptions) o WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT a.attisdropped ORDER BY 1
"""
_COLLATIONS: Final = """
SELECT DISTINCT co.collname::text FROM pg_collation co JOIN pg_attribute a ON a.attcollation = co.oid
JOIN pg_class c ON c.oid = a.attrelid
WHERE co.collnamespace = 'pg_catalog'::regnamespace AND NOT a.attisdropped AND a.attnum > 0 AND c.oid >= 16384
    AND c.relkind IN ('r', 'p', 'm', 'i', 'v')
"""
_SORTERS: Final = """
SELECT collprovider::text, max(pg_collation_actual_version(oid)) FROM pg_collation
WHERE collprovider IN ('c', 'i') AND collname NOT IN ('C', 'POSIX') AND pg_collation_actual_version(oid) IS NOT NULL
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """One database as the server's list of databases shows it."""

    name: str
    template: bool
    open: bool
    encoding: str
    collate: str
    ctype: str
    size_bytes: int
    provider: str
    """`c` for the C library, `i` for ICU, `b` for PostgreSQL's own."""
    locale: str | None


@dataclass(frozen=True, slots=True)
class InDatabase:
    """What one database that moves holds which the target must know."""

    prepared: bool
    may_publish: bool
    extensions: tuple[str, ...]
    libraries: tuple[str, ...]
    column_options: tuple[tuple[str, str], ...]
    collations: tuple[str, ...]
    cannot_follow: tuple[str, ...]
    rare: Rare


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The source server."""

    version: str
    number: int
    standby: bool
    superuser: str
    slots_used: int
    prepared_transactions: int
    subscriptions: tuple[str, ...]
    tablespaces: tuple[str, ...]
    settings_changed: tuple[str, ...]
    settings: Mapping[str, str]
    databases: tuple[DatabaseRow, ...]
    sorters: Mapping[str, str]
    inside: Mapping[str, InDatabase]

    @property
    def major(self) -> int:
        return self.number // 10000

    @property
    def template(self) -> DatabaseRow:
        """Whose locale and encoding the whole server began with; pg_upgrade wants the target's to be the same."""
        return next(row for row in self.databases if row.name == "template0")

    @property
    def size_bytes(self) -> int:
        return sum(row.size_bytes for row in self.databases)


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """The new server, as it answered when it was started empty."""

    number: int
    extensions: frozenset[str]
    collations: frozenset[str]
    sorters: Mapping[str, str]
    tls: bool
    libraries_missing: Mapping[str, str]
    """Libraries of the source that it cannot load, and why."""
    options_unknown: tuple[str, ...]
    """Options of columns that it refuses."""
    settings: Mapping[str, str]
    rare: Tried


def of_source(job: PhysicalJob) -> SourceFacts:
    """Ask the source; a database that cannot be entered ends this with psycopg's own error."""
    inside = {}
    for moved in job.databases:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            inside[moved.database] = _inside(source)
    with link.session(job.source_of(job.databases[0].database), program=job.program) as source:
        version, standby, superuser, slots, prepared, subscriptions, spaces, changed = link.rows(source, _SERVER)[0]
        number = source.info.server_version
        return SourceFacts(
            version=version, number=number, standby=standby, superuser=superuser, slots_used=slots,
            prepared_transactions=prepared, subscriptions=tuple(subscriptions), tablespaces=tuple(spaces),
            settings_changed=tuple(changed), settings=_settings(source), databases=_databases(source, number),
            sorters=dict(link.rows(source, _SORTERS)), inside=inside,
        )  # fmt: skip


def of_target(server: Cluster, source: SourceFacts) -> TargetFacts:
    """Ask the new server, running and empty; what it may refuse later it is made to try now."""
    with server.session("template1") as target:
        libraries = sorted({name for each in source.inside.values() for name in each.libraries})
        options = sorted({option for each in source.inside.values() for option in each.column_options})
        query = "SELECT collname::text FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace"
        return TargetFacts(
            number=target.info.server_version,
            extensions=frozenset(name for (name,) in link.rows(target, "SELECT name FROM pg_available_extensions")),
            collations=frozenset(name for (name,) in link.rows(target, query)),
            sorters=dict(link.rows(target, _SORTERS)),
            tls=link.rows(target, "SELECT current_setting('ssl_library')")[0][0] != "",
            libraries_missing={name: why for name in libraries if (why := _refused(target, f"LOAD {literal(name)}"))},
            options_unknown=tuple(name for name, value in options if _refused(target, _with_option(name, value))),
            settings=_settings(target),
            rare=physical_rare.tried(target, (each.rare for each in source.inside.values())),
        )


def _inside(source: Connection) -> InDatabase:
    prepared = "SELECT to_regprocedure('dcshift.take_turn(bigint)') IS NOT NULL"
    member = "SELECT pg_has_role(current_user, datdba, 'MEMBER') FROM pg_database WHERE datname = current_database()"
    return InDatabase(
        prepared=link.rows(source, prepared)[0][0],
        may_publish=link.rows(source, member)[0][0],
        extensions=tuple(name for (name,) in link.rows(source, "SELECT extname FROM pg_extension ORDER BY 1")),
        libraries=tuple(name for (name,) in link.rows(source, _LIBRARIES)),
        column_options=tuple(link.rows(source, _COLUMN_OPTIONS)),
        collations=tuple(name for (name,) in link.rows(source, _COLLATIONS)),
        cannot_follow=tuple(identity.cannot_follow(source)),
        rare=physical_rare.of(source),
    )


def _settings(connection: Connection) -> dict[str, str]:
    query = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
    return dict(link.rows(connection, query, (list(_SETTINGS),)))


def _databases(source: Connection, number: int) -> tuple[DatabaseRow, ...]:
    provider = "datlocprovider::text" if number >= 150000 else "'c'"
    locale = "datlocale" if number >= 170000 else "daticulocale" if number >= 150000 else "NULL::text"
    return tuple(DatabaseRow(*row) for row in link.rows(source, _DATABASES.format(provider=provider, locale=locale)))


def _with_option(name: str, value: str) -> str:
    return f"ALTER TABLE dcshift_trial ALTER COLUMN a SET ({quoted(name)} = {literal(value)})"


def _refused(target: Connection, statement: str) -> str | None:
    """Return why the server refuses a statement, which leaves nothing behind; None if it would do it."""
    try:
        with target.transaction(force_rollback=True):
            link.run(target, "CREATE TEMPORARY TABLE dcshift_trial (a text)", statement)
    except psycopg.Error as refused:
        return str(refused).strip().splitlines()[0]
    return None
