"""Says what in a source's database the copy would lose, change or refuse; it only reads, as a member of the owner.

Each question is one query; a row of its answer is one object, named as people write it.
"""

from __future__ import annotations

from collections.abc import Iterator

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
        JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE {_OURS} AND {_own("pg_opclass", "o.oid")}
        UNION ALL SELECT o.type || ' ' || o.identity FROM (
            SELECT 'pg_language'::regclass::oid, oid FROM pg_language
            UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am
            UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
            UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser
            UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template
            UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
        ) r (catalogue, oid) CROSS JOIN LATERAL pg_identify_object(r.catalogue, r.oid, 0) o
        WHERE r.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = r.catalogue AND e.objid = r.oid
            AND e.deptype = 'e')
        ORDER BY 1""",
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
    "large-object-comments": (
        Severity.WARNING,
        """SELECT 'large object ' || objoid FROM pg_description WHERE classoid = 'pg_largeobject'::regclass
        ORDER BY 1""",
        "comments on large objects are not carried",
        "COMMENT ON LARGE OBJECT ... on the target if they matter",
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
