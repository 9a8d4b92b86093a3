"""Says where text would be sorted by other rules on the target; it only reads."""

from __future__ import annotations

from collections.abc import Iterator

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection

_SORTERS = """
SELECT collprovider, max(pg_collation_actual_version(oid)) FROM pg_collation
WHERE collprovider IN ('c', 'i') AND collname NOT IN ('C', 'POSIX') AND pg_collation_actual_version(oid) IS NOT NULL
GROUP BY 1
"""
_USED = """
SELECT DISTINCT quote_ident(co.collname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_collation co ON co.oid = a.attcollation
WHERE co.collnamespace = 'pg_catalog'::regnamespace AND NOT a.attisdropped AND a.attnum > 0
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)' ORDER BY 1
"""


def of_sorting(source: Connection, target: Connection) -> Iterator[Finding]:
    """Yield collations that the target lacks, and libraries that sort by other rules there."""
    where = source.info.dbname
    query = "SELECT quote_ident(collname) FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace"
    there = {name for (name,) in link.rows(target, query)}
    if lacking := [name for (name,) in link.rows(source, _USED) if name not in there]:
        what = f"columns sort by collations that the target does not have: {few(lacking)}"
        yield Finding(Severity.BLOCKER, "target-collations", where, what, "add their locales to the target's image")
    here, versions = dict(link.rows(source, _SORTERS)), dict(link.rows(target, _SORTERS))
    for provider, library in (("c", "the C library"), ("i", "ICU")):
        before, after = here.get(provider), versions.get(provider)
        if before and after and before != after:
            what = f"{library} sorts text by version {before} at the source, {after} on the target"
            advice = "nothing: indexes are built anew on the target; queries that sort by text may order otherwise"
            yield Finding(Severity.WARNING, "collation-version", where, what, advice)
