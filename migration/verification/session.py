"""What a proof may do to a database: ask questions inside one snapshot; it can change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

Row = tuple[Any, ...]
# Every text form that a hash is made of is pinned, so that two servers with different settings say the same.
PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "search_path": "pg_catalog",
    "row_security": "off",
    "quote_all_identifiers": "off",
}


class Session(Protocol):
    """One read-only session in a snapshot."""

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Side:
    """One database at one moment, as seen by one or more sessions that share the moment."""

    sessions: Sequence[Session]
    owner: str
    """The database's owner: two sides may call it differently and still agree."""
    migration_role: str

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self.sessions[0].rows(query, parameters)

    def many(self, queries: Sequence[str], before: Callable[[int], object] = lambda _: None) -> list[list[Row]]:
        """Run queries over all sessions at once, in the given order, and return their answers in that order.

        `before` is called with the number of a query that is to begin; what it raises ends them all.
        """
        free = list(self.sessions)

        def one(number: int) -> list[Row]:
            session = free.pop()
            try:
                before(number)
                return session.rows(queries[number])
            finally:
                free.append(session)

        with ThreadPoolExecutor(len(free)) as pool:
            return list(pool.map(one, range(len(queries))))


@dataclass(frozen=True, slots=True)
class Moment:
    """Both sides at one logical moment."""

    source: Side
    target: Side
    frozen: bool
    """No writer on either side, so that what the stream does not carry must be equal too."""

    def both(self, query: str, parameters: Sequence[object] = ()) -> tuple[list[Row], list[Row]]:
        """Ask both sides at the same time."""
        with ThreadPoolExecutor(2) as pool:
            source = pool.submit(self.source.rows, query, parameters)
            target = pool.submit(self.target.rows, query, parameters)
            return source.result(), target.result()

    def both_many(self, queries: Sequence[str]) -> tuple[list[list[Row]], list[list[Row]]]:
        with ThreadPoolExecutor(2) as pool:
            source = pool.submit(self.source.many, queries)
            target = pool.submit(self.target.many, queries)
            return source.result(), target.result()


DIFFERENCES_MAX = 20


def between(source: set[str], target: set[str], what: str) -> list[str]:
    """Say how two sets of descriptions differ; a description begins with the object's name and a bar."""
    differences = []
    names = sorted({line.partition(" | ")[0] for line in source ^ target})
    for name in names:
        here = sorted(line.partition(" | ")[2] for line in source - target if line.partition(" | ")[0] == name)
        there = sorted(line.partition(" | ")[2] for line in target - source if line.partition(" | ")[0] == name)
        if not there:
            differences.append(f"{what} {name}: missing on the target ({'; '.join(here)[:200]})")
        elif not here:
            differences.append(f"{what} {name}: only on the target ({'; '.join(there)[:200]})")
        else:
            differences.append(f"{what} {name}: source has {'; '.join(here)[:200]}, target {'; '.join(there)[:200]}")
    return differences
