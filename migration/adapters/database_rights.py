"""Says what the migration's role at the source may not do and must: some of it would be missed in the freeze only."""

from __future__ import annotations

from collections.abc import Iterator

from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection, quoted

_RIGHTS = """
SELECT pg_get_userbyid(d.datdba), r.rolsuper OR r.rolreplication, pg_has_role(r.oid, d.datdba, 'USAGE'),
    has_table_privilege('pg_catalog.pg_largeobject', 'SELECT'),
    has_schema_privilege(to_regnamespace('dcshift')::oid, 'USAGE')
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
"""


def of_source(source: Connection) -> Iterator[Finding]:
    """Yield a blocker for each right that `prepare` gave and that is gone, with the words that give it back."""
    role = quoted(source.info.user)
    owner, replicates, owns, reads_objects, enters = link.rows(source, _RIGHTS)[0]
    for allowed, lacking, gives in (
        (replicates, "may not replicate", f"ALTER ROLE {role} REPLICATION"),
        (owns, f"is no member of the database's owner {owner}", f"GRANT {quoted(owner)} TO {role}"),
        (reads_objects, "may not read pg_largeobject", f"GRANT SELECT ON pg_catalog.pg_largeobject TO {role}"),
        (enters, "may not use the schema dcshift", f"GRANT USAGE ON SCHEMA dcshift TO {role}"),
    ):
        if not allowed:
            what = f"the migration's role {source.info.user} {lacking}"
            yield Finding(Severity.BLOCKER, "source-rights", source.info.dbname, what, f"psql as postgres: {gives}")
