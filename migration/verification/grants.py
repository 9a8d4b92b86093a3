"""Proves that the same people own and may use the same things; rights on the schema `public` are the platform's."""

from __future__ import annotations

from migration.model.words import Proof
from migration.verification.schema import FUNCTION, OUR_FUNCTIONS, OURS, not_of_extension
from migration.verification.session import DIFFERENCES_MAX, Moment, Side, between


def _rights(name: str, acl: str, owner: str) -> str:
    """Return the columns of one question: the name, and its rights with both owners called alike."""
    return f"""{name} || ' | ' || CASE WHEN a.grantee = 0 THEN 'PUBLIC'
        WHEN a.grantee = {owner} THEN 'its owner' WHEN a.grantee = dba.oid THEN 'the owner'
        ELSE pg_get_userbyid(a.grantee) END || ' may ' || a.privilege_type
        || CASE WHEN a.is_grantable THEN ' and grant it' ELSE '' END, pg_get_userbyid(a.grantee), a.privilege_type
        FROM (SELECT datdba AS oid FROM pg_database WHERE datname = current_database()) dba,
        LATERAL aclexplode({acl}) a"""


_CLASS = f"""SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS}
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {not_of_extension("pg_class", "c.oid")}"""
_KIND = "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\""

_QUESTIONS = {
    "relation": f"""SELECT r.* FROM ({_CLASS}) c, LATERAL (SELECT {
        _rights(
            "format('%I.%I', c.nspname, c.relname)",
            f"coalesce(c.relacl, acldefault({_KIND}, c.relowner))",
            "c.relowner",
        )
    }) r""",
    "column": f"""SELECT r.* FROM ({_CLASS}) c JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped,
        LATERAL (SELECT {
        _rights("format('%I.%I.%I', c.nspname, c.relname, t.attname)", "t.attacl", "c.relowner")
    }) r""",
    "function": f"""SELECT r.* FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, LATERAL (SELECT {
        _rights(
            FUNCTION,
            "coalesce(p.proacl, acldefault('f', p.proowner))",
            "p.proowner",
        )
    }) r WHERE {OUR_FUNCTIONS}""",
    "schema": f"""SELECT r.* FROM pg_namespace n, LATERAL (SELECT {
        _rights("quote_ident(n.nspname)", "coalesce(n.nspacl, acldefault('n', n.nspowner))", "n.nspowner")
    }) r WHERE {OURS} AND n.nspname <> 'public'""",
    "type": f"""SELECT r.* FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace, LATERAL (SELECT {
        _rights(
            "format('%I.%I', n.nspname, t.typname)", "coalesce(t.typacl, acldefault('T', t.typowner))", "t.typowner"
        )
    }) r WHERE {OURS} AND t.typtype IN ('e', 'd', 'r') AND {not_of_extension("pg_type", "t.oid")}""",
    "default": f"""SELECT r.* FROM pg_default_acl f, LATERAL (SELECT {
        _rights(
            "concat_ws(' ', CASE f.defaclrole WHEN (SELECT datdba FROM pg_database WHERE datname = current_database())"
            " THEN 'the owner' ELSE f.defaclrole::regrole::text END, f.defaclobjtype,"
            " nullif(f.defaclnamespace, 0)::regnamespace)",
            "f.defaclacl",
            "f.defaclrole",
        )
    }) r""",
}

_OWNERS = f"""
SELECT x.name || ' | ' || CASE WHEN x.owner = (SELECT datdba FROM pg_database WHERE datname = current_database())
    THEN 'owned by the owner' ELSE 'owned by ' || pg_get_userbyid(x.owner) END
FROM (
    SELECT format('%I.%I', c.nspname, c.relname) AS name, c.relowner AS owner FROM ({_CLASS}) c
    UNION ALL SELECT {FUNCTION}, p.proowner FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {OUR_FUNCTIONS}
    UNION ALL SELECT format('type %I.%I', n.nspname, t.typname), t.typowner
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE {OURS} AND t.typtype IN ('e', 'd', 'r') AND {not_of_extension("pg_type", "t.oid")}
    UNION ALL SELECT quote_ident(n.nspname), n.nspowner FROM pg_namespace n WHERE {OURS} AND n.nspname <> 'public'
) x
"""


def prove_grants(moment: Moment) -> Proof:
    """Compare owners and rights."""
    answers = moment.both_many([_OWNERS, *_QUESTIONS.values()])
    owners = [{line for (line,) in side[0]} for side in answers]
    differences = between(owners[0], owners[1], "owner of")
    rights = 0
    for position, what in enumerate(_QUESTIONS, start=1):
        sides = [
            _kept(side, answer[position]) for side, answer in zip((moment.source, moment.target), answers, strict=True)
        ]
        rights += len(sides[0])
        differences += between(sides[0], sides[1], f"rights on {what}")
    sentence = f"{len(owners[0])} owners and {rights} rights are equal"
    if differences:
        sentence = f"owners or rights of {len(differences)} objects differ"
    figures = {"owners": len(owners[0]), "rights": rights}
    return Proof("grants", not differences, sentence, figures, tuple(differences[:DIFFERENCES_MAX]))


def _kept(side: Side, found: list[tuple[str, str, str]]) -> set[str]:
    # MAINTAIN exists since 17; what the migration itself may do is no right of the system.
    return {line for line, grantee, right in found if right != "MAINTAIN" and grantee != side.migration_role}
