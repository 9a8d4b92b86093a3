"""Says which rare objects pg_upgrade would lose without a word, or stop at after the copy was made; it changes nothing.

Casts of people, languages, access methods and comments come along: a superuser restores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psycopg

from migration.model.words import Finding, Severity
from migration.movers import link, rare_objects
from migration.movers.link import Connection, quoted
from migration.movers.rare_objects import Dictionary

_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Rare:
    """Those of one database of the source."""

    members: tuple[str, ...] = ()
    in_catalogue: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    """Provider, and what the label is of."""
    contexts: tuple[tuple[str, str], ...] = ()
    dictionaries: tuple[Dictionary, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """What the new server, still empty, says of them."""

    catalogue: frozenset[str]
    contexts: Mapping[str, str]
    providers_refused: Mapping[str, str]
    """Providers of labels that it has not loaded, and its own words."""
    files_missing: Mapping[Dictionary, str]


def of(source: Connection) -> Rare:
    """Ask one database of the source."""
    return Rare(
        members=tuple(rare_objects.members(source)),
        in_catalogue=tuple(rare_objects.in_catalogue(source)),
        labels=tuple(rare_objects.labels(source)),
        contexts=tuple(rare_objects.contexts(source).items()),
        dictionaries=tuple(rare_objects.dictionaries(source)),
    )


def tried(target: Connection, databases: Iterable[Rare]) -> Tried:
    """Ask the new server; what it tries leaves nothing behind."""
    every = list(databases)
    providers = sorted({provider for one in every for provider, _ in one.labels})
    files = {one: rare_objects.refusal(target, one) for each in every for one in each.dictionaries}
    return Tried(
        catalogue=frozenset(rare_objects.in_catalogue(target, every=True)),
        contexts=rare_objects.contexts(target),
        providers_refused={name: why for name in providers if (why := _label_refused(target, name))},
        files_missing={one: why for one, why in files.items() if why},
    )


def findings(database: str, here: Rare, there: Tried) -> Iterator[Finding]:
    """Yield what of one database would be lost, or stop the upgrade."""

    def blocker(code: str, what: str, names: list[str], advice: str) -> Finding:
        return Finding(Severity.BLOCKER, code, database, f"{what}: {_few(names)}", advice)

    if here.members:
        what = "members were added to the server's own families of operators, which pg_upgrade does not carry"
        yield blocker("operator-families", what, [*here.members], "put them into an extension, or drop them")
    if lacking := [name for name in here.in_catalogue if name not in there.catalogue]:
        what = "objects were put among the server's own, which pg_upgrade does not carry"
        yield blocker("objects-in-pg-catalog", what, lacking, "move them into a schema of the system")
    if changed := rare_objects.changed(dict(here.contexts), there.contexts):
        what = "the server's own casts were changed by hand, which pg_upgrade does not carry"
        yield blocker("casts-changed", what, changed, "write these casts into the application's queries")
    if refused := [
        f"{what} ({there.providers_refused[by]})" for by, what in here.labels if by in there.providers_refused
    ]:
        what = "pg_upgrade would stop at security labels"
        yield blocker("security-labels", what, refused, "let the new server load their provider, or drop the labels")
    if missing := [f"{one.name} ({why})" for one in here.dictionaries if (why := there.files_missing.get(one))]:
        what = "pg_upgrade would stop at dictionaries of text search whose files the new server does not have"
        yield blocker("text-search-files", what, missing, "put the files into its tsearch_data, the same to the letter")
    if unseen := [f"{one.name} ({one.options})" for one in here.dictionaries if one not in there.files_missing]:
        what = f"dictionaries of text search read files whose content nobody compares: {_few(unseen)}"
        advice = "compare tsearch_data of both servers: what was indexed with other words is not found"
        yield Finding(Severity.WARNING, "text-search-files", database, what, advice)


def _label_refused(target: Connection, provider: str) -> str | None:
    try:
        with target.transaction(force_rollback=True):
            label = f"SECURITY LABEL FOR {quoted(provider)} ON TABLE dcshift_trial IS NULL"
            link.run(target, "CREATE TEMPORARY TABLE dcshift_trial (a text)", label)
    except psycopg.Error as refused:
        return str(refused).strip().splitlines()[0]
    return None


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more
