"""Says where text would be sorted by other rules on the target, and what stands on that order; it only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.adapters.naming import few
from migration.model.inventory import DatabaseFacts
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection
from migration.verification.schema import OURS

_SORTERS = """
SELECT collprovider, max(pg_collation_actual_version(oid)) FROM pg_collation
WHERE collprovider IN ('c', 'i') AND collname NOT IN ('C', 'POSIX') AND pg_collation_actual_version(oid) IS NOT NULL
GROUP BY 1
"""
_COLUMNS: Final = f"""
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_collation co ON co.oid = a.attcollation WHERE NOT a.attisdropped AND a.attnum > 0 AND {OURS}
"""
_USED: Final = f"SELECT DISTINCT quote_ident(co.collname) {_COLUMNS} AND co.collnamespace = 'pg_catalog'::regnamespace"
_BY_C_UTF8: Final = f"""
SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) {_COLUMNS} AND c.relkind IN ('r', 'p', 'm', 'f')
    AND co.collprovider = 'c' AND co.collname <> 'default' AND upper(replace(co.collcollate, '-', '')) = 'C.UTF8'
ORDER BY 1
"""
# Bounds of partitions, ranges that must not overlap, and comparisons in a CHECK; `<>`, `->` and `->>` sort nothing.
_STANDS_ON_ORDER: Final = f"""
SELECT format('partitions of %%I.%%I', n.nspname, c.relname) FROM pg_partitioned_table p
JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.partstrat = 'r' AND {OURS} AND EXISTS (SELECT FROM unnest(p.partcollation) o WHERE o <> ALL (%s::oid[]))
UNION ALL SELECT format('%%I.%%I.%%I', n.nspname, c.relname, k.conname) FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {OURS} AND (k.contype = 'x' AND EXISTS (SELECT FROM pg_attribute a JOIN pg_range r ON r.rngtypid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) AND r.rngcollation <> ALL (%s::oid[]))
    OR k.contype = 'c' AND pg_get_constraintdef(k.oid) ~ '(<=|>=|<[^>=]|[^-<>]>)' AND EXISTS (SELECT FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) AND a.attcollation <> ALL (%s::oid[])))
ORDER BY 1
"""
_NO_COLLATION, _DEFAULT, _C, _POSIX = 0, 100, 950, 951


def of_sorting(source: Connection, target: Connection, facts: DatabaseFacts) -> Iterator[Finding]:
    """Yield collations that the target lacks, libraries that sort by other rules, and what may not fit then."""
    where = source.info.dbname
    query = "SELECT quote_ident(collname) FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace"
    there = {name for (name,) in link.rows(target, query)}
    if lacking := sorted(name for (name,) in link.rows(source, _USED) if name not in there):
        what = f"columns sort by collations that the target does not have: {few(lacking)}"
        yield Finding(Severity.BLOCKER, "target-collations", where, what, "add their locales to the target's image")
    otherwise = is_c_utf8(facts.collation)
    here, versions = dict(link.rows(source, _SORTERS)), dict(link.rows(target, _SORTERS))
    for provider, library in (("c", "the C library"), ("i", "ICU")):
        before, after = here.get(provider), versions.get(provider)
        if before and after and before != after:
            otherwise = True
            what = f"{library} sorts text by version {before} at the source, {after} on the target"
            advice = "nothing: indexes are built anew on the target; queries that sort by text may order otherwise"
            yield Finding(Severity.WARNING, "collation-version", where, what, advice)
    if columns := [name for (name,) in link.rows(source, _BY_C_UTF8)]:
        otherwise = True
        what = (
            f"columns sort by C.UTF-8, whose order differs between C libraries with no version to tell: {few(columns)}"
        )
        advice = "nothing: indexes are built anew on the target; queries that sort by text may order otherwise"
        yield Finding(Severity.WARNING, "collation-c-utf8", where, what, advice)
    if otherwise:
        alike = [_NO_COLLATION, _C, _POSIX, *([_DEFAULT] if facts.collation in ("C", "POSIX") else [])]
        if standing := [name for (name,) in link.rows(source, _STANDS_ON_ORDER, (alike, alike, alike))]:
            what = f"a row may not fit where text is sorted otherwise, and the copy would stop at it: {few(standing)}"
            advice = 'compare COLLATE "C" there, or try the copy long before the night'
            yield Finding(Severity.WARNING, "order-of-text", where, what, advice)


def is_c_utf8(collation: str) -> bool:
    """Say whether it is the one locale whose order changed between C libraries with nothing to tell."""
    return collation.upper().replace("-", "") == "C.UTF8"
