"""Says what the source's owner changed in its definitions since they were copied; it changes nothing.

No stream carries a definition. One that differs stops the stream at the next row of it, or fails the proof of the
schema when citizens already wait. Both sides are asked as they are now: what was done on both is no difference.
"""

from __future__ import annotations

from collections.abc import Sequence

from migration.movers import link, stream
from migration.movers.link import Connection
from migration.verification.schema import FILLED, QUESTIONS, differences_between


def definitions(source: Connection, target: Connection) -> list[str]:
    """Return how definitions differ, each with its object's name; views that the freeze fills count as equal."""
    found: list[str] = []
    here, there = _answers(source), _answers(target)
    for what in here:
        found += differences_between(here[what], there[what], what)
    return found


def not_followed(source: Connection, publication: str) -> list[str]:
    """Return tables whose changes go nowhere, because they were made after the publication."""
    query = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"
    published = set(link.rows(source, query, (publication,)))
    return [".".join(name) for name in link.rows(source, stream.PUBLISHED) if name not in published]


def _answers(connection: Connection) -> dict[str, Sequence[str]]:
    # The session goes on with the settings that it had.
    with connection.transaction(force_rollback=True):
        link.pin(connection)
        return {
            what: [line for (line,) in link.rows(connection, query) if line is not None]
            for what, query in QUESTIONS.items()
            if what != FILLED
        }
