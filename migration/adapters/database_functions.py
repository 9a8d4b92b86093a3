"""Says which functions inside definitions find their names by the search path, which is empty while a copy is built.

The server's own judge of a function in SQL (`fmgr_sql_validator`) reads it with an empty path. Of other languages only
the words are read: a name of ours without its schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import psycopg

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection
from migration.verification.schema import OURS, not_of_extension

# Indexes, keys of partitions and generated columns are made by pg_restore, which sets an empty path; from 17 on a
# server fills views with one (the parameter says whether the target is such a one). A CHECK is looked at by our own
# sessions, which have the owner's path: it stops no copy, but any later restore. A body that SQL has read already
# (BEGIN ATOMIC) needs no path.
_INSIDE: Final = f"""
SELECT p.oid, format('%%I.%%I', n.nspname, p.proname), l.lanname = 'sql', bool_or(u.built), p.prosrc,
    string_agg(DISTINCT u.user_name, ', ')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
JOIN (
    SELECT 'pg_class'::regclass::oid AS classid, oid, oid::regclass::text AS user_name, true AS built FROM pg_class
        WHERE relkind IN ('i', 'I', 'p')
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, c.oid::regclass::text, %s FROM pg_rewrite r
        JOIN pg_class c ON c.oid = r.ev_class WHERE c.relkind = 'm'
    UNION ALL SELECT 'pg_constraint'::regclass, oid, conname::text, false FROM pg_constraint WHERE contype = 'c'
    UNION ALL SELECT 'pg_attrdef'::regclass, f.oid, f.adrelid::regclass || '.' || a.attname, true FROM pg_attrdef f
        JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE a.attgenerated <> ''
) u ON u.classid = d.classid AND u.oid = d.objid
WHERE l.lanname NOT IN ('c', 'internal') AND {OURS} AND {not_of_extension("pg_proc", "p.oid")}
    AND to_jsonb(p) ->> 'prosqlbody' IS NULL
    AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s ~ '^search_path=')
GROUP BY 1, 2, 3, 5 ORDER BY 2
"""
_NAMES: Final = f"""
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {OURS}
UNION SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {OURS}
"""


def of_functions(source: Connection, target_version: int) -> Iterator[Finding]:
    """Yield a blocker for functions that what is built could not be built with, a warning for others."""
    certain, likely = list[str](), list[str]()
    inside = link.rows(source, _INSIDE, (target_version >= 170000,))
    names = {name for (name,) in link.rows(source, _NAMES)} if any(not row[2] for row in inside) else set()
    for oid, function, in_sql, built, body, users in inside:
        if in_sql:
            if why := _refusal(source, oid):
                (certain if built else likely).append(f"{function} in {users} ({why})")
        elif bare := sorted(name for name in names if _names_bare(body, name)):
            likely.append(f"{function} in {users} (names {few(bare, 2)} without a schema)")
    where, mend = source.info.dbname, "ALTER FUNCTION ... SET search_path = public, pg_temp, or name the schemas"
    if certain:
        what = f"functions do not find what they name where the search path is empty, as in the copy: {few(certain)}"
        yield Finding(Severity.BLOCKER, "search-path", where, what, mend)
    if likely:
        what = f"functions may not find what they name where the search path is empty, as in any restore: {few(likely)}"
        yield Finding(Severity.WARNING, "search-path", where, what, mend)


def _refusal(source: Connection, function: int) -> str | None:
    try:
        with source.transaction(force_rollback=True):
            link.run(source, "SET LOCAL search_path = ''", "SET LOCAL check_function_bodies = on")
            link.rows(source, "SELECT fmgr_sql_validator(%s::oid)", (function,))
    except psycopg.Error as refused:
        return str(refused).strip().splitlines()[0]
    return None


def _names_bare(body: str, name: str) -> bool:
    """Say whether a word of the body is this name, with no schema before it."""
    word = re.escape(name)
    return bool(re.search(rf'(?<![\w."$]){word}(?![\w"$.])|(?<!\.)"{word}"(?!\.)', body, re.IGNORECASE))
