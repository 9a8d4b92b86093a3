"""Says what of the rare objects of a source's database would be lost or refused on the target; it only reads.

Casts, families of operators, dictionaries with files, labels, and what people put among the server's own objects:
pg_dump passes over some of them without a word, and others stop a restore by an owner who is no superuser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import casts, link, rare_objects
from migration.movers.link import Connection
from migration.movers.rare_objects import LABELS, MEMBERS
from migration.verification.schema import OURS

# code: (severity, query, what stands before the names, what to do)
_QUESTIONS: Final[dict[str, tuple[Severity, str, str, str]]] = {
    "operator-families": (
        Severity.BLOCKER,
        MEMBERS,
        "members were added to the server's own families of operators, which no dump carries",
        "put them into an extension that the target's image has, or ALTER OPERATOR FAMILY ... DROP",
    ),
    "security-labels": (
        Severity.WARNING,
        f"SELECT format('%s of %s', provider, what) FROM ({LABELS}) l (provider, what) ORDER BY 1",
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
    if changed := rare_objects.changed(rare_objects.contexts(source), rare_objects.contexts(target)):
        what = f"the server's own casts were changed by hand, which no dump carries: {few(changed)}"
        mend = "write these casts into the application's queries, or change the target's catalogue likewise"
        yield Finding(Severity.BLOCKER, "casts-changed", where, what, mend)
    yield from _of_catalogue(source, target)
    yield from _of_dictionaries(source, target, owner)


def _of_catalogue(source: Connection, target: Connection) -> Iterator[Finding]:
    ours = rare_objects.in_catalogue(source)
    # Whatever number it has there: a superuser may have made it, or a newer server may have been born with it.
    there = set(rare_objects.in_catalogue(target, every=True)) if ours else set()
    if lacking := [name for name in ours if name not in there]:
        what = f"{len(lacking)} objects were put among the server's own, which no dump carries: {few(lacking)}"
        mend = "move them into a schema of the system, or let a superuser make them on the target likewise"
        yield Finding(Severity.BLOCKER, "objects-in-pg-catalog", source.info.dbname, what, mend)


def _of_dictionaries(source: Connection, target: Connection, owner: str) -> Iterator[Finding]:
    """Try each on the target, and take it back: a dictionary opens its files when it is made."""
    missing, unseen = list[str](), list[str]()
    for one in rare_objects.dictionaries(source):
        why = rare_objects.refusal(target, one, owner)
        (missing if why else unseen).append(f"{one.name} ({why or one.options})")
    where = source.info.dbname
    if missing:
        what = f"dictionaries of text search read files that the target's server does not have: {few(missing)}"
        mend = "put the files into tsearch_data of the target's image, the same to the letter"
        yield Finding(Severity.BLOCKER, "text-search-files", where, what, mend)
    if unseen:
        what = f"dictionaries of text search read files whose content nobody compares: {few(unseen)}"
        mend = "compare tsearch_data of both servers: what was indexed with other words is not found"
        yield Finding(Severity.WARNING, "text-search-files", where, what, mend)


def _said(cast: str) -> str:
    return cast.partition(" | ")[0]
