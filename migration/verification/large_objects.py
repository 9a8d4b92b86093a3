"""Proves that every large object is there with its number, content, owner and rights."""

from __future__ import annotations

from collections.abc import Collection

from migration.model.words import Json, Proof
from migration.verification.pace import Pace
from migration.verification.session import DIFFERENCES_MAX, Moment, Side, between

# Piece by piece, so that an object of any size needs 1 MiB of memory; the owner may read it, no superuser is needed.
_CONTENT = """
SELECT m.oid::bigint, coalesce(lo.size, 0), md5(coalesce((
        SELECT string_agg(md5(lo_get(m.oid, piece * 1048576, 1048576)), '' ORDER BY piece)
        FROM generate_series(0, (lo.size - 1) / 1048576) piece), '')),
    CASE WHEN m.lomowner = (SELECT datdba FROM pg_database WHERE datname = current_database()) THEN 'the owner'
        ELSE pg_get_userbyid(m.lomowner) END,
    coalesce((SELECT string_agg(one.holder, ', ' ORDER BY one.holder) FROM (
        SELECT concat_ws(' ', CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END,
            a.privilege_type, CASE WHEN a.is_grantable THEN 'and grant it' END) AS holder
        FROM aclexplode(m.lomacl) a WHERE a.grantee <> m.lomowner) one), 'nobody else')
FROM pg_largeobject_metadata m, LATERAL (SELECT lo_lseek64(lo_open(m.oid, 262144), 0, 2) AS size) lo
WHERE m.oid::bigint % {parts} = {part}
"""


def prove_large_objects(moment: Moment, *, changed: Collection[int] = ()) -> Proof:
    """Compare all objects. `changed`: those that changed after the copy and are carried at the freeze, not compared."""
    pace, parts = Pace(), len(moment.source.sessions)
    queries = [_CONTENT.format(parts=parts, part=part) for part in range(parts)]
    answers = moment.both_many(queries)
    sides = [
        {
            f"{oid} | {size} bytes, hash {digest[:16]}, owned by {owner}, open to {rights}"
            for part in answer
            for oid, size, digest, owner, rights in part
            if moment.frozen or oid not in changed
        }
        for answer in answers
    ]
    source_bytes = sum(size for part in answers[0] for _, size, *_ in part)
    differences = between(sides[0], sides[1], "large object")
    sentence = f"{len(sides[0])} large objects with {source_bytes:,} bytes are equal"
    if differences:
        sentence = f"{len(differences)} large objects differ"
    figures: dict[str, Json] = {"large_objects": len(sides[0]), "bytes": source_bytes}
    figures |= {"changed_since_copy": len(changed), **pace.figures(source_bytes, "bytes")}
    return Proof("large-objects", not differences, sentence, figures, tuple(differences[:DIFFERENCES_MAX]))


def count(side: Side) -> int:
    return int(side.rows("SELECT count(*) FROM pg_largeobject_metadata")[0][0])
