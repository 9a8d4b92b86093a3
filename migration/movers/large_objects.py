"""Carries large objects with their numbers, page by page through a pipe, as the ordinary owner."""

from __future__ import annotations

from migration.movers import link
from migration.movers.copy import Pipe
from migration.movers.link import Connection, quoted

# Pages are put back where they were, so that a sparse object stays sparse.
_WRITE = """
SELECT count(lo_create(oid)) FROM (SELECT DISTINCT oid FROM pg_temp.pages) one
    WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = one.oid)
"""
_FILL = "SELECT count(*) FROM (SELECT lo_put(oid, page::bigint * 2048, data) FROM pg_temp.pages WHERE page >= 0) put"

_RIGHTS = """
SELECT m.oid, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    a.privilege_type, a.is_grantable
FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a
WHERE m.lomacl IS NOT NULL AND a.grantee <> m.lomowner AND (%s::oid[] IS NULL OR m.oid = ANY (%s::oid[]))
"""

# What changed since a snapshot: rows whose inserting transaction is not older than the snapshot's oldest.
CHANGED = """
SELECT DISTINCT oid FROM (
    SELECT loid AS oid FROM pg_largeobject WHERE age(xmin) <= age(%s::text::xid)
    UNION ALL SELECT oid FROM pg_largeobject_metadata WHERE age(xmin) <= age(%s::text::xid)
) changed
"""


def carry_all(pipe: Pipe, source: Connection, target: Connection) -> int:
    """Carry all large objects of the snapshot; return how many there are now on the target."""
    _pages(pipe, "true", "carrying large objects")
    _grant(source, target, pipe.job.owner, None)
    return int(link.rows(target, "SELECT count(*) FROM pg_largeobject_metadata")[0][0])


def changed_since(source: Connection, target: Connection, snapshot_xmin: int) -> tuple[list[int], list[int]]:
    """Return the numbers of objects that changed at the source since the snapshot, and of those deleted there."""
    xid = str(snapshot_xmin % 2**32)
    changed = {oid for (oid,) in link.rows(source, CHANGED, (xid, xid))}
    here = {oid for (oid,) in link.rows(source, "SELECT oid FROM pg_largeobject_metadata")}
    there = {oid for (oid,) in link.rows(target, "SELECT oid FROM pg_largeobject_metadata")}
    return sorted((changed & here) | (here - there)), sorted(there - here)


def carry_changed(pipe: Pipe, source: Connection, target: Connection, snapshot_xmin: int) -> tuple[int, int]:
    """Bring the target's objects to the source's state, which must be frozen; return (carried, deleted)."""
    changed, deleted = changed_since(source, target, snapshot_xmin)
    gone = changed + deleted
    if gone:
        link.run(target, pipe.job.as_owner)
        query = "SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata WHERE oid = ANY (%s::oid[])"
        link.rows(target, query, (gone,))
        link.run(target, "RESET ROLE")
    if changed:
        numbers = ", ".join(str(int(oid)) for oid in changed)
        _pages(pipe, f"oid IN ({numbers})", "carrying changed large objects")
        _grant(source, target, pipe.job.owner, changed)
    return len(changed), len(deleted)


def _pages(pipe: Pipe, which: str, doing: str) -> None:
    # An object without any page exists all the same: page -1 stands for it.
    read = f"SELECT oid, -1, NULL::bytea FROM pg_largeobject_metadata WHERE {which} UNION ALL"
    read += f" SELECT loid, pageno, data FROM (SELECT loid AS oid, * FROM pg_largeobject) p WHERE {which}"
    write = [
        pipe.job.as_owner,
        "BEGIN",
        "CREATE TEMPORARY TABLE pages (oid oid, page integer, data bytea) ON COMMIT DROP",
        "COPY pg_temp.pages FROM STDIN (FORMAT binary)",
        _WRITE,
        _FILL,
        "COMMIT",
    ]
    pipe.move([f"COPY ({read}) TO STDOUT (FORMAT binary)"], write, doing=doing)


def _grant(source: Connection, target: Connection, owner: str, only: list[int] | None) -> None:
    link.run(target, f"SET ROLE {quoted(owner)}")
    for oid, grantee, privilege, grantable in link.rows(source, _RIGHTS, (only, only)):
        option = " WITH GRANT OPTION" if grantable else ""
        link.run(target, f"GRANT {privilege} ON LARGE OBJECT {int(oid)} TO {grantee}{option}")
    link.run(target, "RESET ROLE")
