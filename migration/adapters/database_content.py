"""Says what in a source's database the copy would lose, change or refuse; it only reads, as a member of the owner.

Each question is one query; a row of its answer is one object, named as people write it.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection

_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'"


def _own(catalogue: str, oid: str) -> str:
    return (
        f"NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalogue}'::regclass AND e.objid = {oid}"
        " AND e.deptype = 'e')"
    )


# code: (severity, query, what stands before the names, what to do)
_QUESTIONS: dict[str, tuple[Severity, str, str, str]] = {
    "forced-row-security": (
        Severity.BLOCKER,
        f"""SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relrowsecurity AND c.relforcerowsecurity AND {_OURS} ORDER BY 1""",
        "tables hide rows even from their owner, so the copy would lack them",
        "ALTER TABLE ... NO FORCE ROW LEVEL SECURITY for the move, and FORCE it on the target afterwards",
    ),
    "superuser-objects": (
        Severity.BLOCKER,
        f"""SELECT format('function %I.%I in %s', n.nspname, p.proname, l.lanname)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
        -- An aggregate, and the constructors that come with a range, are `internal` and any owner's to make.
        WHERE NOT l.lanpltrusted AND p.prokind <> 'a' AND {_OURS} AND {_own("pg_proc", "p.oid")}
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                AND d.deptype = 'i')
        UNION ALL SELECT format('type %I.%I', n.nspname, t.typname) FROM pg_type t
        JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typtype = 'b' AND t.typelem = 0 AND {_OURS} AND {_own("pg_type", "t.oid")}
        UNION ALL SELECT format('operator class %I.%I', n.nspname, o.opcname) FROM pg_opclass o
        JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE {_OURS} AND {_own("pg_opclass", "o.oid")} ORDER BY 1""",
        "objects that only a superuser can make, whom the target does not give us",
        "replace them, or bring them to the target as an extension of its image",
    ),
    "column-options": (
        Severity.BLOCKER,
        f"""SELECT format('%I.%I.%I (%s)', n.nspname, c.relname, a.attname, o) FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(a.attoptions) o
        -- pg_attver is a mark of the server's own: `database_programs` asks who would carry it.
        WHERE split_part(o, '=', 1) NOT IN ('n_distinct', 'n_distinct_inherited', 'pg_attver')
            AND NOT a.attisdropped AND {_OURS}
        ORDER BY 1""",
        "columns carry options that another server does not know; the restore would stop at them",
        "ALTER TABLE ... ALTER COLUMN ... RESET (OPTION)",
    ),
    "event-triggers": (
        Severity.WARNING,
        f"SELECT quote_ident(t.evtname) FROM pg_event_trigger t WHERE {_own('pg_event_trigger', 't.oid')} ORDER BY 1",
        "event triggers are not carried: only a superuser can make them",
        "make them on the target after the move if they are needed",
    ),
    "connection-limits": (
        Severity.WARNING,
        """SELECT format('database %I has %s', datname, datconnlimit) FROM pg_database
        WHERE datname = current_database() AND datconnlimit <> -1
        UNION ALL SELECT format('role %I has %s', r.rolname, r.rolconnlimit) FROM pg_roles r
        JOIN pg_database d ON d.datdba = r.oid AND d.datname = current_database() WHERE r.rolconnlimit <> -1""",
        "limits of connections are not carried",
        "set them on the target if they protect something there",
    ),
    "always-triggers": (
        Severity.WARNING,
        f"""SELECT format('%I.%I.%I', n.nspname, c.relname, t.tgname) FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal AND {_OURS} ORDER BY 1""",
        "triggers that fire for followed changes too",
        "make sure that firing twice does no harm",
    ),
}


def of_source(source: Connection) -> Iterator[Finding]:
    """Yield what the database holds that is not carried as it is."""
    where = source.info.dbname
    for code, (severity, query, what, next_step) in _QUESTIONS.items():
        if names := [str(name) for (name,) in link.rows(source, query)]:
            yield Finding(severity, code, where, f"{len(names)} {what}: {few(names)}", next_step)


_CONFIGURED = """
SELECT e.extname, format('%I.%I', n.nspname, c.relname), e.extcondition[i]
FROM pg_extension e, generate_subscripts(e.extconfig, 1) i
JOIN pg_class c ON true JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = e.extconfig[i] AND c.relkind IN ('r', 'p') ORDER BY 1, 2
"""


def of_extensions(source: Connection, target: Connection) -> Iterator[Finding]:
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
