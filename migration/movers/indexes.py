"""Checks every index that sorts text with amcheck, and rebuilds those that it calls broken and no other.

A new machine's C library may sort otherwise than the one that built an index; then rows are not found by it, and a
unique one lets a second in. Nothing warns of it for C.UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psycopg

from migration.errors import StepFailed
from migration.movers import lines, link
from migration.movers.link import Connection, quoted

_SORTED: Final = """
SELECT format('%I.%I', n.nspname, c.relname), am.amname::text, pg_relation_size(c.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am am ON am.oid = c.relam JOIN pg_class t ON t.oid = i.indrelid
WHERE c.relkind = 'i' AND i.indisvalid AND i.indisready AND t.relpersistence <> 't'
    -- Of pg_catalog's all are sorted by bytes.
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
    AND EXISTS (SELECT FROM unnest(i.indcollation) o JOIN pg_collation co ON co.oid = o
        WHERE co.collname NOT IN ('C', 'POSIX', 'ucs_basic') OR co.collnamespace <> 'pg_catalog'::regnamespace)
ORDER BY 3 DESC, 1
"""
_SECONDS_MAX: Final = 4 * 3600


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one database's indexes that sort text."""

    checked: int
    rebuilt: tuple[str, ...]


def heal(target: Connection, *, library_changed: bool) -> Checked:
    """Check all, rebuild the broken, check those again; raises `StepFailed` when one cannot be made whole.

    amcheck reads B-trees. Of other kinds, which it cannot judge, all are rebuilt if the library says that it changed or
    a B-tree showed that it did.
    """
    with_extension = not link.rows(target, "SELECT FROM pg_extension WHERE extname = 'amcheck'")
    if with_extension:
        link.run(target, "CREATE SCHEMA dcshift_amcheck", "CREATE EXTENSION amcheck SCHEMA dcshift_amcheck")
    try:
        return _heal(target, library_changed=library_changed)
    finally:
        if with_extension:
            link.run(target, "DROP EXTENSION amcheck", "DROP SCHEMA dcshift_amcheck")


def _heal(target: Connection, *, library_changed: bool) -> Checked:
    query = """SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'amcheck'"""
    check = f"SELECT {quoted(link.rows(target, query)[0][0], 'bt_index_check')}(%s::regclass, true)"
    link.run(target, f"SET statement_timeout = '{_SECONDS_MAX}s'")
    found = link.rows(target, _SORTED)
    trees = [(name, size) for name, kind, size in found if kind == "btree"]
    others = [name for name, kind, _ in found if kind != "btree"]
    rate, total, done, broken = lines.Rate(), sum(size for _, size in trees), 0, list[str]()
    for name, size in trees:
        if _why_broken(target, check, name) is not None:
            broken.append(name)
        done += size
        lines.progress("checking indexes", done, total, "bytes", rate.of(done))
    if broken or library_changed:
        broken += others
    for number, name in enumerate(broken):
        lines.progress("rebuilding indexes", number, len(broken), "indexes")
        _rebuild(target, name)
        if name not in others and (why := _why_broken(target, check, name)) is not None:
            raise _not_rebuilt(name, why)
    link.run(target, "RESET statement_timeout")
    return Checked(len(trees), tuple(broken))


def _why_broken(target: Connection, check: str, name: str) -> str | None:
    try:
        link.rows(target, check, (name,))
    except psycopg.errors.QueryCanceled:
        raise
    except psycopg.Error as told:
        return str(told).strip().splitlines()[0]
    return None


def _rebuild(target: Connection, name: str) -> None:
    try:
        link.run(target, f"REINDEX INDEX {name}")
    except psycopg.Error as refused:
        raise _not_rebuilt(name, str(refused).strip()) from refused


def _not_rebuilt(name: str, why: str) -> StepFailed:
    return StepFailed(
        "index-not-rebuilt",
        what=f"the index {name} sorts by other rules on the target and could not be rebuilt",
        why=why,
        state="the source serves; the copy begins again on the next run",
        next="mend the cause at the source (a unique index may hold what the new rules call equal), then try again",
    )
