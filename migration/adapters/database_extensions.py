"""Says which extensions have another version on the target, and which of their rows are the users'; it only reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection

_THERE = "SELECT name, coalesce(installed_version, default_version) FROM pg_available_extensions"
# Before 13 no extension is trusted.
_SUPERUSERS = """
SELECT a.name FROM pg_available_extensions a JOIN pg_available_extension_versions v
    ON v.name = a.name AND v.version = a.default_version
WHERE a.installed_version IS NULL AND v.superuser AND coalesce(to_jsonb(v) ->> 'trusted', 'false') <> 'true'
    AND a.name = ANY (%s) ORDER BY 1
"""


def of_versions(source: Connection, target: Connection) -> Iterator[Finding]:
    """Yield one finding for all extensions whose version on the target is another: a warning if one is older."""
    there = dict(link.rows(target, _THERE))
    found = link.rows(source, "SELECT extname, extversion FROM pg_extension ORDER BY 1")
    others = [(name, here, there[name]) for name, here in found if there.get(name, here) != here]
    if not others:
        return
    what = few([f"{name} {here}, there {other}" for name, here, other in others])
    what = f"extensions have another version on the target: {what}"
    if any(_numbers(other) < _numbers(here) for _name, here, other in others):
        mend = "give the target an image with the source's version, or try the application on it before the move"
        yield Finding(Severity.WARNING, "extension-version", source.info.dbname, what, mend)
    else:
        yield Finding(Severity.INFO, "extension-version", source.info.dbname, what, "nothing: read their release notes")


def of_rights(source: Connection, target: Connection, owner: str) -> Iterator[Finding]:
    """Yield extensions that the copy would have to make and that only a superuser can."""
    query = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
    needed = [name for (name,) in link.rows(source, query)]
    if refused := [name for (name,) in link.rows(target, _SUPERUSERS, (needed,))]:
        what = f"extensions that {owner} may not make are not in the target's database: {few(refused)}"
        yield Finding(
            Severity.BLOCKER,
            "extension-rights",
            source.info.dbname,
            what,
            "declare them in database.extensions of the catalogue, then pulumi up on the system's data layer",
        )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


_CONFIGURED = """
SELECT e.extname, format('%I.%I', n.nspname, c.relname), e.extcondition[i]
FROM pg_extension e, generate_subscripts(e.extconfig, 1) i
JOIN pg_class c ON true JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = e.extconfig[i] AND c.relkind IN ('r', 'p') ORDER BY 1, 2
"""


def of_rows(source: Connection, target: Connection) -> Iterator[Finding]:
    """Yield tables of extensions with rows that are the users' (pg_dump would carry them), and how many."""
    for extension, table, condition in link.rows(source, _CONFIGURED):
        where = f"{source.info.dbname}/{extension}"
        try:
            count = _count(source, table, condition)
        except psycopg.Error as refused:
            what = f"rows that users put into {table} could not be counted: {str(refused).strip().splitlines()[0]}"
            next_step = f"GRANT SELECT ON {table} TO {source.info.user}"
            yield Finding(Severity.BLOCKER, "extension-rows", where, what, next_step)
            continue
        there = _count_if_there(target, table, condition)
        if count and there != count:
            what = f"{count:,} rows that users put into {table} of extension {extension} are not carried"
            what += "" if there is None else f"; the target has {there:,}"
            next_step = "make the extension on the target and copy these rows by hand, or delete them at the source"
            yield Finding(Severity.BLOCKER, "extension-rows", where, what, next_step)


def _count(connection: Connection, table: str, condition: str) -> int:
    # Both words come from the catalogue: the extension's own script wrote them.
    return int(link.rows(connection, f"SELECT count(*) FROM {table} {condition}")[0][0])


def _count_if_there(target: Connection, table: str, condition: str) -> int | None:
    try:
        return _count(target, table, condition)
    except psycopg.Error:
        return None
