"""Says what of a source's database a newer server took away, and which rows are too large to be written; it only reads.

The restore, the copy or the stream would stop at it: before the freeze, but after hours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from migration.model.words import Finding, Severity
from migration.movers import copy, link
from migration.movers.link import Connection, quoted

ROW_BYTES_MAX: Final = 1_000_000_000
"""A server builds a row that it writes in one piece of memory, which may have a little more than this."""
LOOK_SECONDS_MAX: Final = 20.0
"""How long values may be measured: their heads are read, not they themselves, but of every row."""
_PACKED_MAX: Final = 256
"""How many times smaller than it is a value may lie on disk: what lz4 can do at best; pglz does a hundred."""
_NAMED_MAX: Final = 5
_OURS: Final = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'"
_ANY: Final = "('anyarray'::regtype, 'anyelement'::regtype)"

_SINCE_14: Final = 140000
_POSTFIX: Final = f"""
SELECT format('%I.%s (%s)', n.nspname, o.oprname, format_type(o.oprleft, NULL)) FROM pg_operator o
JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oprright = 0 AND {_OURS} ORDER BY 1
"""
# From 14 on these take `anycompatiblearray`: what was built on them for any element finds no function of its arguments.
_ARRAYS: Final = f"""
WITH before AS (SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
    AND p.proname IN ('array_append', 'array_prepend', 'array_cat', 'array_remove', 'array_replace', 'array_position',
        'array_positions', 'width_bucket')
    AND p.proargtypes::oid[] && ARRAY['anyarray'::regtype::oid])
SELECT format('aggregate %I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) FROM pg_aggregate a
JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_OURS} AND a.aggtranstype IN {_ANY} AND EXISTS (SELECT FROM before
    WHERE before.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn))
UNION ALL SELECT format('operator %I.%s', n.nspname, o.oprname) FROM pg_operator o
JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE {_OURS} AND o.oprleft IN {_ANY} AND o.oprcode IN (SELECT before.oid FROM before) ORDER BY 1
"""
# code: (since which version of the target, query, what stands before the names, what to do)
_QUESTIONS: Final = {
    "removed-postfix-operators": (
        _SINCE_14,
        _POSTFIX,
        "operators stand behind their only operand, which servers from 14 on do not have",
        "call their functions instead, then DROP OPERATOR",
    ),
    "removed-array-arguments": (
        _SINCE_14,
        _ARRAYS,
        "objects are built on functions of arrays whose arguments are others from 14 on",
        "drop them and make them again on the target, with anycompatiblearray and anycompatible",
    ),
}
# Which columns of the server's own relations a view reads: by their names in its text, because no catalogue keeps
# what depends on objects that a server is born with.
_VIEWS: Final = rf"""
SELECT format('%I.%I', n.nspname, c.relname), k.relname, a.attname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL (SELECT pg_get_viewdef(c.oid) AS text) d,
    pg_class k JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum > 0
WHERE c.relkind IN ('v', 'm') AND {_OURS} AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
        AND e.objid = c.oid AND e.deptype = 'e')
    AND d.text ~ '\mpg_' AND k.relnamespace = 'pg_catalog'::regnamespace AND k.relkind IN ('r', 'v')
    AND d.text ~ ('\m' || k.relname || '\M') AND d.text ~ ('\m' || a.attname || '\M') ORDER BY 1, 2, 3
"""
_CATALOGUE: Final = """
SELECT k.relname, a.attname FROM pg_class k JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum > 0
WHERE k.relnamespace = 'pg_catalog'::regnamespace
"""
_LARGE: Final = f"""{copy.BINARY_SAFE}
SELECT n.nspname, c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
        AND NOT a.attisdropped AND a.attgenerated = '' AND NOT a.atttypid IN (SELECT oid FROM binary_safe)),
    coalesce((SELECT json_agg(json_build_array(a.attname, t.typname) ORDER BY a.attnum) FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND t.typname IN ('text', 'varchar', 'bpchar', 'bytea')), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.reltoastrelid <> 0 AND {_OURS} AND pg_relation_size(c.reltoastrelid) > %s
ORDER BY pg_relation_size(c.reltoastrelid) DESC
"""


def of_both(
    source: Connection,
    target: Connection,
    *,
    row_bytes_max: int = ROW_BYTES_MAX,
    look_seconds_max: float = LOOK_SECONDS_MAX,
) -> Iterator[Finding]:
    """Yield what the target's version does not have any more, then rows that are too large."""
    where = source.info.dbname
    for code, (since, query, what, next_step) in _QUESTIONS.items():
        names = link.rows(source, query) if target.info.server_version >= since else []
        if names:
            told = f"{len(names)} {what}: {_named([name for (name,) in names])}"
            yield Finding(Severity.BLOCKER, code, where, told, next_step)
    there = set(link.rows(target, _CATALOGUE))
    gone = [(view, f"{k}.{column}") for view, k, column in link.rows(source, _VIEWS) if (k, column) not in there]
    if gone:
        told = "views read what the target's own catalogue does not have: "
        told += _named([f"{view} reads {column}" for view, column in gone])
        advice = "the restore stops at them: drop them, or let them read what the target has"
        yield Finding(Severity.WARNING, "views-of-catalogue", where, told, advice)
    yield from _of_rows(source, row_bytes_max, look_seconds_max)


def _of_rows(source: Connection, row_bytes_max: int, look_seconds_max: float) -> Iterator[Finding]:
    where, end = source.info.dbname, time.monotonic() + look_seconds_max
    large = _within(source, end, _LARGE, (row_bytes_max // _PACKED_MAX,))
    unseen = [] if large is not None else ["any table: what is large could not be asked, somebody holds one"]
    for schema, name, by_text, columns in large or ():
        table = quoted(schema, name)
        # The length of a value stands in its row, wherever the value lies: it is not fetched. As text a byte of bytea
        # has two letters.
        lengths = [
            (f"coalesce(octet_length({quoted(one)}), 0)::bigint", 1 + (kind == "bytea")) for one, kind in columns
        ]
        raw, text = " + ".join(one for one, _ in lengths), " + ".join(f"{times} * {one}" for one, times in lengths)
        limits = [f"count(*) FILTER (WHERE {how or 0} > {row_bytes_max})" for how in (raw, text)]
        found = _within(source, end, f"SELECT {', '.join(limits)} FROM ONLY {table}")
        if found is None:
            unseen.append(table)
            continue
        as_it_is, as_text = found[0]
        if as_it_is or (as_text and by_text):
            what = f"{as_it_is or as_text} rows of {table} are more than {row_bytes_max:,} bytes and cannot be copied"
            yield Finding(Severity.BLOCKER, "rows-too-large", where, what, "take such values out into files first")
        elif as_text:
            what = f"{as_text} rows of {table} are more than {row_bytes_max:,} bytes as text"
            what += ": they can be copied, but no change of them can be followed"
            yield Finding(Severity.WARNING, "rows-too-large", where, what, "let nobody change them during the move")
    if unseen:
        what = f"whether rows are too large was not seen within {look_seconds_max:.0f} s in {_named(unseen)}"
        yield Finding(Severity.INFO, "rows-not-measured", where, what, "nothing, if no row of them comes near 1 GB")


def _within(
    source: Connection, end: float, query: str, parameters: tuple[object, ...] = ()
) -> list[tuple[Any, ...]] | None:
    """Return the answer, or None if there is none until `end`."""
    left = end - time.monotonic()
    if left <= 0:
        return None
    try:
        link.run(source, f"SET statement_timeout = {max(1, int(left * 1000))}")
        return link.rows(source, query, parameters)
    except psycopg.errors.QueryCanceled:
        return None
    finally:
        link.run(source, "RESET statement_timeout")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more
