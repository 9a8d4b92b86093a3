"""Says what of the rare objects of a source's database would be lost or refused on the target; it only reads.

Casts, families of operators, dictionaries with files, labels, and what people put among the server's own objects:
pg_dump passes over some of them without a word, and others stop a restore by an owner who is no superuser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import casts, link
from migration.movers.link import Connection, quoted
from migration.verification.schema import OURS, not_of_extension

# What a server is born with has lower numbers, also after pg_upgrade.
_FIRST_OF_PEOPLE: Final = 16384
_IN_CATALOGUE: Final = """
SELECT o.type || ' ' || o.identity FROM (
    SELECT 'pg_proc'::regclass::oid, oid, pronamespace FROM pg_proc
    UNION ALL SELECT 'pg_class'::regclass, oid, relnamespace FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type WHERE typtype IN ('e', 'd', 'r')
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict
    UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion
) x (catalogue, oid, namespace)
JOIN pg_namespace n ON n.oid = x.namespace AND n.nspname IN ('pg_catalog', 'information_schema')
CROSS JOIN LATERAL pg_identify_object(x.catalogue, x.oid, 0) o
WHERE x.oid >= %s AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = x.catalogue AND e.objid = x.oid
    AND e.deptype IN ('e', 'i'))
ORDER BY 1
"""
_CONTEXTS: Final = """
SELECT format_type(castsource, NULL) || ' to ' || format_type(casttarget, NULL), CASE castcontext
    WHEN 'i' THEN 'anywhere' WHEN 'a' THEN 'in assignments' ELSE 'where it is asked for' END
FROM pg_cast WHERE oid < 16384
"""
# Members that came with an operator class go with it, and those of an extension's operators with that extension.
_MEMBERS: Final = f"""
SELECT o.identity FROM (
    SELECT 'pg_amop'::regclass::oid, oid, amopfamily, 'pg_operator'::regclass::oid, amopopr::oid FROM pg_amop
    UNION ALL SELECT 'pg_amproc'::regclass, oid, amprocfamily, 'pg_proc'::regclass, amproc::oid FROM pg_amproc
) m (catalogue, oid, family, of_catalogue, of_oid)
CROSS JOIN LATERAL pg_identify_object(m.catalogue, m.oid, 0) o
WHERE m.oid >= {_FIRST_OF_PEOPLE} AND m.family < {_FIRST_OF_PEOPLE}
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = m.catalogue AND d.objid = m.oid AND d.deptype = 'i'
        AND d.refclassid = 'pg_opclass'::regclass)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = m.of_catalogue AND d.objid = m.of_oid AND d.deptype = 'e')
ORDER BY 1
"""
# code: (severity, query, what stands before the names, what to do)
_QUESTIONS: Final[dict[str, tuple[Severity, str, str, str]]] = {
    "operator-families": (
        Severity.BLOCKER,
        _MEMBERS,
        "members were added to the server's own families of operators, which no dump carries",
        "put them into an extension that the target's image has, or ALTER OPERATOR FAMILY ... DROP",
    ),
    "security-labels": (
        Severity.WARNING,
        """SELECT format('%s of %s %s', l.provider, o.type, o.identity) FROM pg_seclabel l
        CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) o ORDER BY 1""",
        "security labels are not carried: their provider is a module of the server",
        "SECURITY LABEL on the target after the move, where the provider is loaded, before users are let in",
    ),
    "tablespaces": (
        Severity.INFO,
        f"""SELECT format('%I.%I in %I', n.nspname, c.relname, s.spcname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_tablespace s ON s.oid = c.reltablespace
        WHERE {OURS} ORDER BY 1""",
        "tables or indexes lie in tablespaces of their own; on the target all lie in its default one",
        "nothing, if the target's volume is as fast as theirs",
    ),
    "database-comment": (
        Severity.INFO,
        """SELECT quote_literal(shobj_description(oid, 'pg_database')) FROM pg_database
        WHERE datname = current_database() AND shobj_description(oid, 'pg_database') IS NOT NULL""",
        "comment on the database itself is not carried",
        "COMMENT ON DATABASE on the target if it matters",
    ),
}
_DICTIONARIES: Final = f"""
SELECT format('%I.%I', n.nspname, y.dictname), format('%I.%I', m.nspname, t.tmplname), y.dictinitoption,
    m.nspname = 'pg_catalog'
FROM pg_ts_dict y JOIN pg_namespace n ON n.oid = y.dictnamespace JOIN pg_ts_template t ON t.oid = y.dicttemplate
JOIN pg_namespace m ON m.oid = t.tmplnamespace
-- Lists of stop words that the server's own dictionaries use come with every server.
WHERE y.dictinitoption ~* '(stopwords|dictfile|afffile|synonyms|rules) *= *' AND {OURS}
    AND {not_of_extension("pg_ts_dict", "y.oid")} AND NOT EXISTS (SELECT FROM pg_ts_dict own
        WHERE own.oid < {_FIRST_OF_PEOPLE} AND y.dictinitoption !~* '(dictfile|afffile|synonyms|rules) *='
            AND substring(lower(own.dictinitoption) from 'stopwords = ''([^'']*)''')
                = substring(lower(y.dictinitoption) from 'stopwords = ''([^'']*)'''))
ORDER BY 1
"""


def of_rare(source: Connection, target: Connection, owner: str) -> Iterator[Finding]:
    """Yield what of them the copy would lose or stop at."""
    where = source.info.dbname
    for code, (severity, query, what, next_step) in _QUESTIONS.items():
        if names := [str(name) for (name,) in link.rows(source, query)]:
            yield Finding(severity, code, where, f"{len(names)} {what}: {few(names)}", next_step)
    if lacking := [one.description for one in casts.refused(source, target)[0]]:
        what = f"casts that {owner} may not make are not on the target: {few([_said(each) for each in lacking])}"
        mend = "let a superuser make them there likewise (they are then left out of the copy), or DROP CAST"
        yield Finding(Severity.BLOCKER, "casts-refused", where, what, mend)
    contexts = dict(link.rows(target, _CONTEXTS))
    if changed := [
        f"{cast} {how}, there {contexts[cast]}"
        for cast, how in sorted(link.rows(source, _CONTEXTS))
        if contexts.get(cast, how) != how
    ]:
        what = f"the server's own casts were changed by hand, which no dump carries: {few(changed)}"
        mend = "write these casts into the application's queries, or change the target's catalogue likewise"
        yield Finding(Severity.BLOCKER, "casts-changed", where, what, mend)
    yield from _of_catalogue(source, target)
    yield from _of_dictionaries(source, target, owner)


def _of_catalogue(source: Connection, target: Connection) -> Iterator[Finding]:
    ours = [name for (name,) in link.rows(source, _IN_CATALOGUE, (_FIRST_OF_PEOPLE,))]
    # Whatever number it has there: a superuser may have made it, or a newer server may have been born with it.
    there = {name for (name,) in link.rows(target, _IN_CATALOGUE, (0,))} if ours else set()
    if lacking := [name for name in ours if name not in there]:
        what = f"{len(lacking)} objects were put among the server's own, which no dump carries: {few(lacking)}"
        mend = "move them into a schema of the system, or let a superuser make them on the target likewise"
        yield Finding(Severity.BLOCKER, "objects-in-pg-catalog", source.info.dbname, what, mend)


def _of_dictionaries(source: Connection, target: Connection, owner: str) -> Iterator[Finding]:
    """Try each on the target, and take it back: a dictionary opens its files when it is made."""
    missing, unseen = list[str](), list[str]()
    for name, template, options, of_server in link.rows(source, _DICTIONARIES):
        why = _refusal(target, owner, template, options) if of_server else None
        (missing if why else unseen).append(f"{name} ({why or options})")
    where = source.info.dbname
    if missing:
        what = f"dictionaries of text search read files that the target's server does not have: {few(missing)}"
        mend = "put the files into tsearch_data of the target's image, the same to the letter"
        yield Finding(Severity.BLOCKER, "text-search-files", where, what, mend)
    if unseen:
        what = f"dictionaries of text search read files whose content nobody compares: {few(unseen)}"
        mend = "compare tsearch_data of both servers: what was indexed with other words is not found"
        yield Finding(Severity.WARNING, "text-search-files", where, what, mend)


def _refusal(target: Connection, owner: str, template: str, options: str) -> str | None:
    try:
        with target.transaction(force_rollback=True):
            link.run(target, f"SET LOCAL ROLE {quoted(owner)}")
            # The options are written by the source's server itself, with their values quoted, as pg_dump takes them.
            link.run(target, f"CREATE TEXT SEARCH DICTIONARY pg_temp.dcshift_tried (TEMPLATE = {template}, {options})")
    except psycopg.errors.ConfigFileError as refused:
        return str(refused).strip().splitlines()[0]
    except psycopg.Error:
        pass  # what else it lacks there comes with the copy, such as a dictionary that it stands on
    return None


def _said(cast: str) -> str:
    return cast.partition(" | ")[0]
