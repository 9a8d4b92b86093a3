"""Says which roles a database needs on the target, and what in it belongs to others than its owner; it only reads.

The server itself keeps a list of what in a database hangs on which role (`pg_shdepend`): it is asked for that, so that
no kind of object is forgotten. Roles that came with the server are not on it; every target has them, but for the
first superuser (number 10), whose name is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.adapters.naming import few
from migration.model.inventory import DatabaseFacts
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection

_LISTED: Final = """
SELECT s.classid, s.objid, s.objsubid, s.refobjid AS role, s.deptype
FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
WHERE s.refclassid = 'pg_authid'::regclass
"""
_THE_FIRST_SUPERUSERS: Final = """
SELECT 'pg_class'::regclass::oid, oid, relowner, 'o'::"char" FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, 'o' FROM pg_proc
UNION ALL SELECT 'pg_type'::regclass, oid, typowner, 'o' FROM pg_type WHERE typtype IN ('e', 'd', 'r')
UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, 'o' FROM pg_namespace
UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner, 'o' FROM pg_largeobject_metadata
UNION ALL SELECT 'pg_class'::regclass, c.oid, a.grantee, 'a' FROM pg_class c, aclexplode(c.relacl) a
    WHERE a.grantee <> c.relowner
"""
# What came with the server is not carried, and the schema `public` is the platform's. Nor carried are event triggers,
# publications, who owns an extension and its objects, and who a range's constructors (always number 10).
_HANGS_ON: Final = f"""
SELECT h.deptype, pg_get_userbyid(h.role), o.type || ' ' || o.identity
FROM ({_LISTED} UNION SELECT f.catalogue, f.objid, 0, f.role, f.deptype
    FROM ({_THE_FIRST_SUPERUSERS}) f (catalogue, objid, role, deptype)
    WHERE f.role = 10 AND (f.objid >= 16384 OR f.catalogue = 'pg_largeobject'::regclass)) h
JOIN pg_database d ON d.datname = current_database() AND h.role <> d.datdba
CROSS JOIN LATERAL pg_identify_object(h.classid, h.objid, h.objsubid) o
WHERE pg_get_userbyid(h.role) <> current_user
    AND coalesce(o.schema, o.name, '') !~ '^(pg_catalog$|information_schema$|pg_toast|pg_temp)'
    AND coalesce(o.schema, o.name, '') <> 'dcshift'
    AND NOT (h.classid = 'pg_namespace'::regclass AND o.name = 'public')
    AND (h.deptype IN ('a', 'r') OR h.deptype = 'o'
        AND h.classid NOT IN ('pg_extension'::regclass, 'pg_event_trigger'::regclass, 'pg_publication'::regclass,
            'pg_user_mapping'::regclass)
        AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = h.classid AND e.objid = h.objid
            AND e.deptype IN ('e', 'i')))
ORDER BY 2, 3
"""


def of_roles(source: Connection, target: Connection, facts: DatabaseFacts) -> Iterator[Finding]:
    """Yield a blocker for what belongs to others, and one for roles that the restore would name in vain."""
    where = f"{facts.host}/{facts.name}"
    hanging = link.rows(source, _HANGS_ON)
    if theirs := [f"{name} ({role})" for kind, role, name in hanging if kind == "o"]:
        what = f"{len(theirs)} objects do not belong to the database's owner: {few(theirs)}"
        mend = f"ALTER ... OWNER TO {facts.owner}; of default privileges: ALTER DEFAULT PRIVILEGES FOR ROLE ... REVOKE"
        yield Finding(Severity.BLOCKER, "source-other-owners", where, what, mend)
    there = {role for (role,) in link.rows(target, "SELECT rolname FROM pg_roles")}
    missing: dict[str, list[str]] = {}
    for kind, role, name in hanging:
        if kind != "o" and role not in there:
            missing.setdefault(role, []).append(name)
    if missing:
        roles = "; ".join(f"{role} ({few(names, 2)})" for role, names in missing.items())
        what = f"roles that rights or policies name do not exist on the target: {roles}"
        mend = "declare them on the target, or revoke their rights and drop them from the policies"
        yield Finding(Severity.BLOCKER, "target-roles", where, what, mend)
