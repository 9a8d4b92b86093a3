"""Gives tables without a key an identity before they are published, and puts back what they had."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.link import Connection, quoted

# Published tables whose UPDATE or DELETE would fail at the source the moment a publication names them, with the
# first unique index that could stand for a key: not partial, not deferrable, no expression, all columns NOT NULL.
KEYLESS = """
SELECT n.nspname, c.relname, c.relreplident, (
    SELECT ic.relname FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        AND i.indexprs IS NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
            AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
    ORDER BY ic.relname LIMIT 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
    AND (c.relreplident = 'n' OR (c.relreplident = 'd'
        AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid
            AND i.indimmediate))
        OR (c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)))
ORDER BY 1, 2
"""

_UNCOMPARABLE = """
SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type d ON d.oid = a.atttypid
-- A domain stands for its base, an array for its elements.
JOIN pg_type b ON b.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END
JOIN pg_type t ON t.oid = CASE WHEN b.typcategory = 'A' THEN b.typelem ELSE b.oid END
WHERE n.nspname = %s AND c.relname = %s
    AND t.typname IN ('json', 'xml', 'jsonpath', 'point', 'polygon', 'line', 'lseg', 'box', 'circle', 'path',
        'txid_snapshot', 'pg_snapshot')
"""

_REMEMBER = """
INSERT INTO dcshift.identity_before VALUES (%s, %s, %s, %s) ON CONFLICT (schema_name, table_name) DO NOTHING
"""
BEFORE = "SELECT schema_name, table_name, identity, index_name FROM dcshift.identity_before ORDER BY 1, 2"
_NOW = "SELECT relreplident FROM pg_class WHERE oid = to_regclass(%s)"

# `i` without its index, which somebody dropped, is as good as nothing; it cannot be written again.
_WORDS = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL", "i": "NOTHING"}
_ATTEMPTS = 50


def cannot_follow(source: Connection) -> Iterator[str]:
    """Yield tables without any key whose rows cannot be compared either: no change of theirs could be followed."""
    for schema, name, _identity, index in link.rows(source, KEYLESS):
        if index is None and link.rows(source, _UNCOMPARABLE, (schema, name)):
            yield f"{schema}.{name}"


def give(source: Connection) -> list[str]:
    """Give every keyless table an identity, remembering first what it had; return the tables."""
    found = link.rows(source, KEYLESS)
    for schema, name, identity, index in found:
        link.rows(source, _REMEMBER, (schema, name, identity, None))
        identity_now = f"USING INDEX {quoted(index)}" if index is not None else "FULL"
        _alter(source, schema, name, identity_now)
    return [f"{schema}.{name}" for schema, name, _identity, _index in found]


def put_back(source: Connection) -> int:
    """Put back what `give` changed; return how many tables."""
    before = link.rows(source, BEFORE)
    for schema, name, identity, _index in before:
        now = link.rows(source, _NOW, (quoted(schema, name),))
        # A table that was never changed is not waited for. What reads `i` may be an index of our choice.
        if now and (now[0][0] != identity or identity == "i"):
            _alter(source, schema, name, _WORDS[identity])
        link.rows(
            source, "DELETE FROM dcshift.identity_before WHERE schema_name = %s AND table_name = %s", (schema, name)
        )
    return len(before)


def put_back_on_target(target: Connection, owner: str, before: list[tuple[str, str, str]]) -> None:
    """Give the target's tables the identity that the source's had before the move."""
    link.run(target, f"SET ROLE {quoted(owner)}")
    for schema, name, identity in before:
        _alter(target, schema, name, _WORDS[identity])
    link.run(target, "RESET ROLE")


def _alter(connection: Connection, schema: str, name: str, identity: str) -> None:
    # The change needs the table alone for an instant; whoever waits for us must not wait long, so we give way. Only
    # who waits for longer than deadlock_timeout (1 s) makes an autovacuum end, hence the longer later attempts.
    try:
        for attempt in range(_ATTEMPTS):
            try:
                link.run(connection, f"SET lock_timeout = {200 if attempt < 10 else 1500}")
                link.run(connection, f"ALTER TABLE {quoted(schema, name)} REPLICA IDENTITY {identity}")
                return
            except psycopg.errors.LockNotAvailable:
                time.sleep(min(0.1 * (attempt + 1), 1.0))
    finally:
        link.run(connection, "RESET lock_timeout")
    raise StepFailed(
        "table-never-free",
        what=f"the replica identity of {schema}.{name} could not be changed",
        why=f"another session held a lock on it during each of {_ATTEMPTS} attempts",
        state="the table is as it was",
        next="find the long transaction in pg_stat_activity, let it end, then dcshift run",
    )
