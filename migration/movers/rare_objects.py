"""Asks a database for rare objects that a dump passes over, or that a target must be able to open; it only reads.

pg_upgrade carries definitions by the same dump: what that loses is lost to a move by files, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from migration.movers import link
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
MEMBERS: Final = f"""
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
LABELS: Final = """
SELECT l.provider, o.type || ' ' || o.identity FROM pg_seclabel l
CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) o
"""
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


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary of text search that reads files of its server."""

    name: str
    template: str
    options: str
    of_server: bool
    """Whether its template is the server's own, so that it can be tried elsewhere."""


def members(source: Connection) -> list[str]:
    """Return what was added to the server's own families of operators."""
    return [str(name) for (name,) in link.rows(source, MEMBERS)]


def labels(source: Connection) -> list[tuple[str, str]]:
    """Return each security label as its provider and what it is of."""
    return [(str(provider), str(what)) for provider, what in link.rows(source, f"{LABELS} ORDER BY 1, 2")]


def in_catalogue(connection: Connection, *, every: bool = False) -> list[str]:
    """Return what people put among the server's own objects; `every` adds the server's own."""
    return [str(name) for (name,) in link.rows(connection, _IN_CATALOGUE, (0 if every else _FIRST_OF_PEOPLE,))]


def contexts(connection: Connection) -> dict[str, str]:
    """Return where each of the server's own casts is taken without being asked for."""
    return dict(link.rows(connection, _CONTEXTS))


def changed(source: Mapping[str, str], target: Mapping[str, str]) -> list[str]:
    """Return the server's own casts that both sides have and take at other places."""
    both = sorted(source.keys() & target.keys())
    return [f"{cast} {source[cast]}, there {target[cast]}" for cast in both if source[cast] != target[cast]]


def dictionaries(source: Connection) -> list[Dictionary]:
    """Return those whose files come with no server."""
    return [Dictionary(*row) for row in link.rows(source, _DICTIONARIES)]


def refusal(target: Connection, one: Dictionary, owner: str | None = None) -> str | None:
    """Try it on the target and take it back: it opens its files when it is made. Return why one cannot be read."""
    if not one.of_server:
        return None
    try:
        with target.transaction(force_rollback=True):
            if owner is not None:
                link.run(target, f"SET LOCAL ROLE {quoted(owner)}")
            # The options are written by the source's server itself, with their values quoted, as pg_dump takes them.
            link.run(
                target,
                f"CREATE TEXT SEARCH DICTIONARY pg_temp.dcshift_tried (TEMPLATE = {one.template}, {one.options})",
            )
    except psycopg.errors.ConfigFileError as refused:
        return str(refused).strip().splitlines()[0]
    except psycopg.Error:
        pass  # what else it lacks there comes with the copy, such as a dictionary that it stands on
    return None
