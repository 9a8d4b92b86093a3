"""Says what ties a database to other servers: foreign tables, publications and subscriptions; it only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection

_SERVERS: Final = """
SELECT w.fdwname, string_agg(quote_ident(s.srvname), ', ' ORDER BY 1) FROM pg_foreign_server s
JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw GROUP BY 1 ORDER BY 1
"""
_USABLE: Final = """
SELECT fdwname FROM pg_foreign_data_wrapper WHERE has_foreign_data_wrapper_privilege(%s, oid, 'USAGE')
"""
_SUBSCRIPTIONS: Final = """
SELECT s.subname::text, s.subenabled FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() ORDER BY 1
"""


def of_others(source: Connection, target: Connection, owner: str) -> Iterator[Finding]:
    """Yield what a copy cannot make, would lose, or would be written by during the freeze."""
    where = source.info.dbname
    usable = {name for (name,) in link.rows(target, _USABLE, (owner,))}
    if lacking := [f"{name} of {servers}" for name, servers in link.rows(source, _SERVERS) if name not in usable]:
        what = f"foreign servers need wrappers that {owner} may not use on the target: {few(lacking)}"
        mend = f"as superuser on the target: make the wrapper, GRANT USAGE ON FOREIGN DATA WRAPPER ... TO {owner}"
        yield Finding(Severity.BLOCKER, "foreign-servers", where, what, mend)
    if link.rows(source, "SELECT 1 FROM pg_foreign_table LIMIT 1"):
        what = "foreign tables are carried as definitions; their servers are not reached from the target"
        yield Finding(Severity.WARNING, "foreign-tables", where, what, "see docs/limits.md")
    query = "SELECT coalesce(usename, 'PUBLIC') || ' at ' || quote_ident(srvname) FROM pg_user_mappings ORDER BY 1"
    if mappings := [name for (name,) in link.rows(source, query)]:
        what = f"users' mappings to foreign servers come without passwords, which nobody else may read: {few(mappings)}"
        yield Finding(Severity.WARNING, "user-mappings", where, what, "give the target's their options by hand")
    query = "SELECT quote_ident(pubname) FROM pg_publication WHERE pubname <> 'dcshift' ORDER BY 1"
    if publications := [name for (name,) in link.rows(source, query)]:
        what = f"publications are not carried; who subscribes to them goes on following the source: {few(publications)}"
        yield Finding(Severity.WARNING, "publications", where, what, "make them on the target, and move their readers")
    for name, enabled in link.rows(source, _SUBSCRIPTIONS):
        if enabled:
            what = f"the subscription {name} writes into this database, also while it is frozen: no fence keeps it out"
            mend = f"ALTER SUBSCRIPTION {name} DISABLE before the freeze, and let the target subscribe in its place"
            yield Finding(Severity.BLOCKER, "subscriptions", where, what, mend)
        else:
            what = f"the subscription {name} is not carried"
            yield Finding(Severity.WARNING, "subscriptions", where, what, "let the target subscribe if it is needed")
