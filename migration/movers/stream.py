"""Follows the source's changes by native logical replication; it never enables a subscription that misses a table."""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import pq

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, literal, quoted

PUBLISHED = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
UNION ALL SELECT 'dcshift', 'marker' ORDER BY 1, 2
"""


def publish(source: Connection, publication: str) -> int:
    """Create the publication of every table and the marker; return how many tables it names."""
    names = [quoted(schema, name) for schema, name in link.rows(source, PUBLISHED)]
    link.run(source, f"DROP PUBLICATION IF EXISTS {quoted(publication)}")
    link.run(source, f"CREATE PUBLICATION {quoted(publication)} FOR TABLE {', '.join(f'ONLY {n}' for n in names)}")
    return len(names)


@dataclass(slots=True)
class Slot:
    """A fresh slot with its snapshot, which lives as long as this connection stays untouched."""

    connection: Connection
    snapshot: str
    lsn: str

    def close(self) -> None:
        self.connection.close()


def create_slot(job: PostgresJob, *, seconds_max: float) -> Slot:
    """Create the slot over the replication protocol, which alone exports the snapshot of its very beginning.

    It waits for transactions that are open now to end, `seconds_max` at most.
    """
    # It is idle inside its transaction for as long as rows are copied: a limit of the source's would take the snapshot.
    options = "-c idle_in_transaction_session_timeout=0"
    conninfo = job.source.conninfo(replication="database", application_name=job.program, options=options)
    connection = psycopg.connect(conninfo, autocommit=True)
    command = f'CREATE_REPLICATION_SLOT "{job.name}" LOGICAL pgoutput EXPORT_SNAPSHOT'
    try:
        result = _simple_query(connection, command, seconds_max)
    except BaseException:
        connection.close()
        raise
    name, lsn, snapshot, _plugin = (result.get_value(0, column) for column in range(4))
    assert name is not None and lsn is not None and snapshot is not None
    return Slot(connection, snapshot.decode(), lsn.decode())


def _simple_query(connection: Connection, command: str, seconds_max: float) -> pq.abc.PGresult:
    # Replication connections know the simple protocol only, and no statement_timeout.
    raw = connection.pgconn
    raw.send_query(command.encode())
    deadline = time.monotonic() + seconds_max
    while raw.is_busy():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raw.get_cancel().cancel()
            raise not_ready(seconds_max)
        select.select([raw.socket], [], [], min(remaining, 1.0))
        raw.consume_input()
    result = raw.get_result()
    if result is None or result.status != pq.ExecStatus.TUPLES_OK:
        why = result.error_message.decode(errors="replace").strip() if result is not None else "no answer"
        raise StepFailed(
            "slot-not-created",
            what="the replication slot could not be created",
            why=why,
            state="nothing was copied",
            next="dcshift check names what the source lacks",
        )
    return result


def not_ready(seconds_max: float) -> StepFailed:
    """Return the error of a slot that did not begin in time."""
    return StepFailed(
        "slot-not-created",
        what=f"the replication slot was not ready within {seconds_max:.0f} s",
        why="it waits until every transaction that was open at its beginning has ended",
        state="the slot was given up; nothing was copied",
        next="dcshift check names the long transaction; let it end, then dcshift run",
    )


def drop_slot(source: Connection, name: str, *, seconds_max: float = 30.0) -> bool:
    """Drop our slot, ending a sender that still uses it; return whether there was one."""
    deadline = time.monotonic() + seconds_max
    there = False
    while found := link.rows(source, "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (name,)):
        there = True
        if found[0][0] is not None:
            link.rows(source, "SELECT pg_terminate_backend(%s)", (found[0][0],))
        try:
            link.rows(source, "SELECT pg_drop_replication_slot(%s)", (name,))
        except (psycopg.errors.ObjectInUse, psycopg.errors.UndefinedObject):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    return there


def subscribe(job: PostgresJob, source: Connection, target: Connection) -> None:
    """Create the subscription disabled, prove that it knows every published table, then enable it.

    The changes of a table that an enabled subscription does not know are thrown away without an error, and the place in
    the log moves on: they never come again.
    """
    create_subscription(job, target)
    enable(job.name, job.publication, source, target)


def create_subscription(job: PostgresJob, target: Connection) -> None:
    """Create the subscription by the slot that is there, disabled."""
    options = "connect = true, enabled = false, create_slot = false, copy_data = false"
    options += f", slot_name = {literal(job.name)}"
    if target.info.server_version >= 160000 and not _is_superuser(target):
        options += ", password_required = true"
    # The password is seen by the target's server only: no statement of ours is logged by default, and the catalogue
    # column that keeps it is readable by superusers alone.
    command = (
        f"CREATE SUBSCRIPTION {quoted(job.name)} CONNECTION {literal(job.feed.conninfo(application_name=job.name))}"
    )
    command += f" PUBLICATION {quoted(job.publication)} WITH ({options})"
    try:
        link.run(target, command)
    except psycopg.Error as refused:
        raise StepFailed(
            "subscription-refused",
            what=f"the subscription {job.name} could not be created",
            why=str(refused).replace(job.feed.password.get_secret_value(), "***").strip(),
            state="rows are copied and no change of them is followed",
            next="mend the cause (can the target's server reach the source?), then dcshift run",
        ) from None


def enable(name: str, publication: str, source: Connection, target: Connection) -> None:
    """Enable the subscription after proving that its tables are exactly the published ones, all ready."""
    published, known = tables_of(publication, name, source, target)
    if published != known:
        raise misses_tables(name, published, known)
    link.run(target, f"ALTER SUBSCRIPTION {quoted(name)} ENABLE")


def misses_tables(name: str, published: set[str], known: set[str]) -> StepFailed:
    """Return the error of a subscription that knows other tables than are published."""
    odd = ", ".join(sorted(published ^ known)[:10])
    return StepFailed(
        "subscription-misses-tables",
        what=f"the subscription {name} does not know exactly the published tables",
        why=f"they differ in: {odd}",
        state="the subscription is disabled; the source serves",
        next="dcshift run copies anew",
    )


def tables_of(publication: str, name: str, source: Connection, target: Connection) -> tuple[set[str], set[str]]:
    """Return the published tables, and those that the subscription knows as ready."""
    query = (
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_publication_tables WHERE pubname = %s"
    )
    published = {table for (table,) in link.rows(source, query, (publication,))}
    query = """SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_subscription_rel r
        JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_class c ON c.oid = r.srrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE s.subname = %s AND r.srsubstate = 'r'"""
    return published, {table for (table,) in link.rows(target, query, (name,))}


def drop_subscription(target: Connection, name: str) -> bool:
    """Drop the subscription without touching the slot, which may be out of reach; return whether there was one."""
    if not link.rows(target, "SELECT 1 FROM pg_subscription WHERE subname = %s", (name,)):
        return False
    subscription = quoted(name)
    link.run(target, f"ALTER SUBSCRIPTION {subscription} DISABLE")
    link.run(target, f"ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)", f"DROP SUBSCRIPTION {subscription}")
    return True


# 12 has no `wal_status`: it never takes away log that a slot needs.
_LAG = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, active, to_jsonb(s) ->> 'wal_status'
FROM pg_replication_slots s WHERE slot_name = %s
"""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the target is behind."""

    bytes: int
    active: bool
    lost: bool


def lag(source: Connection, name: str) -> Lag | None:
    """Return how far the slot's reader is behind, or None when there is no such slot."""
    found = link.rows(source, _LAG, (name,))
    return Lag(int(found[0][0]), bool(found[0][1]), found[0][2] == "lost") if found else None


def mark(source: Connection) -> int:
    """Write a new value into the marker and return it; its arrival proves that every earlier commit arrived."""
    query = "UPDATE dcshift.marker SET value = value + 1, at = clock_timestamp() WHERE id = 1 RETURNING value"
    return int(link.rows(source, query)[0][0])


def wait_for_mark(target: Connection, value: int, *, seconds_max: float, every_seconds: float = 0.005) -> bool:
    """Wait until the marker has arrived on the target."""
    deadline = time.monotonic() + seconds_max
    while True:
        found = link.rows(target, "SELECT value FROM dcshift.marker WHERE id = 1")
        if found and found[0][0] >= value:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)


_PEEK = """
SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s, 'proto_version', '1', 'publication_names', %s)
"""
_PEEKED_CHANGES_MAX = 100_000
# A reader that is rolled back leaves log of its pruning behind, of which the server flushes whole pages and no more. A
# look into a log that ends within a record waits for the rest: at rest for ever, or until the next commit. This is one.
_FLUSH = "SELECT pg_logical_emit_message(true, 'dcshift', '')"


def waiting_changes(source: Connection, slot: str, publication: str, *, seconds_max: float) -> dict[str, int]:
    """Return how many changes of each published table were committed after the last marker.

    Changes before it have arrived, whatever the target had still to confirm to the slot when it stopped following.
    Nothing is consumed. The slot must have no reader: raises `psycopg.errors.ObjectInUse` if it keeps one that long.
    """
    deadline = time.monotonic() + seconds_max
    link.run(source, "SET synchronous_commit = local", _FLUSH)
    while True:
        try:
            found = link.rows(source, _PEEK, (slot, _PEEKED_CHANGES_MAX, publication))
            return _changes(bytes(data) for (data,) in found)
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _changes(messages: Iterable[bytes]) -> dict[str, int]:
    """Count the changes after the last marker in pgoutput's messages, which come in the order of commits.

    Their form: PostgreSQL documentation, "Logical Replication Message Formats".
    """
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for message in messages:
        kind, tables = message[:1], tuple[int, ...]()
        if kind == b"R":
            schema, name = message[5:].split(b"\0", 2)[:2]
            names[struct.unpack_from(">I", message, 1)[0]] = f"{(schema or b'pg_catalog').decode()}.{name.decode()}"
        elif kind in (b"I", b"U", b"D"):
            tables = struct.unpack_from(">I", message, 1)
        elif kind == b"T":
            tables = struct.unpack_from(f">{struct.unpack_from('>I', message, 1)[0]}I", message, 6)
        for table in tables:
            if names[table] == "dcshift.marker":
                counts.clear()
            else:
                counts[names[table]] = counts.get(names[table], 0) + 1
    return counts


def apply_errors(target: Connection, name: str) -> int:
    """Return how often applying a change has failed (0 where the server does not count, before 15)."""
    if target.info.server_version < 150000:
        return 0
    found = link.rows(target, "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = %s", (name,))
    return int(found[0][0]) if found else 0


def _is_superuser(connection: Connection) -> bool:
    return bool(link.rows(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0])
