"""Finds every row that differs, with the version of it that each side holds; it reads hashes and places, no value.

A version is (place, transaction) as PostgreSQL stores it: as long as both are seen again, nobody has touched the row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from migration.errors import StepFailed
from migration.model.repair import OddRows
from migration.verification.hashing import CANARIES, row_hash
from migration.verification.rows import Table, tables, totals
from migration.verification.session import Moment, Row, Side

ROWS_MAX: Final = 1_000
"""Of more differing rows nobody can say what they are; a copy anew is the safer way, and often the shorter."""
VERSION: Final = "ctid::text || ' ' || xmin::text"
_BUCKETS: Final = 65_536
_READ_MAX: Final = 200_000
"""Rows that are read to find those that differ, on each side: what fits into memory."""


@dataclass(frozen=True, slots=True)
class Odd:
    """One key whose rows differ."""

    key: int
    source: tuple[str, ...]
    """Versions, each `(block,line) transaction`, of what only the source has."""
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OddTable:
    """One table with the differing keys in it."""

    table: Table
    rows: tuple[Odd, ...]

    def told(self) -> OddRows:
        """Return it without versions, which mean nothing at another moment."""
        return OddRows(
            self.table.name,
            frozenset(odd.key for odd in self.rows if odd.source and odd.target),
            frozenset(odd.key for odd in self.rows if not odd.target),
            frozenset(odd.key for odd in self.rows if not odd.source),
        )


def find(moment: Moment) -> list[OddTable]:
    """Return the tables with rows that differ, of those with the same columns on both sides.

    Raises `StepFailed` (too-much-to-repair) when more differs than could be looked at row by row.
    """
    digest = _digest(moment)
    there = {table.name: {column.name for column in table.columns} for table in tables(moment.target)}
    compared = [
        table
        for table in tables(moment.source)
        if not (table.view or table.unlogged) and table.columns and _names(table) == there.get(table.name)
    ]
    source, target = totals(moment, compared, digest=digest)
    found, count = [], 0
    for table in compared:
        if source[table.name] != target[table.name] and (rows := _rows(moment, table, digest=digest)):
            count += sum(max(len(odd.source), len(odd.target)) for odd in rows)
            if count > ROWS_MAX:
                raise _too_much(f"more than {ROWS_MAX:,} rows differ, in {table.name} and before it")
            found.append(OddTable(table, rows))
    return found


def _names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


def _digest(moment: Moment) -> bool:
    source, target = (answer[0] for answer in moment.both(CANARIES))
    if source[9:] != target[9:]:
        raise StepFailed(
            "not-comparable",
            what="it cannot be said which rows differ",
            why="the servers write the same value differently",
            state="nothing was changed",
            next="dcshift verify names the forms that differ",
        )
    return source[:9] != target[:9]


def _rows(moment: Moment, table: Table, *, digest: bool) -> tuple[Odd, ...]:
    key, whole = row_hash(table.key or table.columns, digest=digest), row_hash(table.columns, digest=digest)
    bucket = f"(({key}) & {_BUCKETS - 1})"

    def grouped(side: Side) -> dict[int, tuple[int, int]]:
        query = f"SELECT {bucket}, count(*), sum({whole}) FROM ONLY {table.name} GROUP BY 1"
        return {int(number): (int(count), int(total)) for number, count, total in side.rows(query)}

    here, there = grouped(moment.source), grouped(moment.target)
    odd = sorted(number for number in here.keys() | there.keys() if here.get(number) != there.get(number))
    reads = max((sum(side[number][0] for number in odd if number in side) for side in (here, there)), default=0)
    if reads > _READ_MAX or len(odd) > ROWS_MAX:
        raise _too_much(f"{len(odd):,} of {_BUCKETS:,} parts of {table.name} differ, with {reads:,} rows")
    if not odd:
        return ()
    within = ", ".join(map(str, odd))
    query = f"SELECT {key}, {whole}, {VERSION} FROM ONLY {table.name} WHERE {bucket} IN ({within})"
    return _paired(moment.source.rows(query), moment.target.rows(query))


def _paired(here: Iterable[Row], there: Iterable[Row]) -> tuple[Odd, ...]:
    """Strike out what both sides have equally often."""
    versions: dict[int, tuple[dict[int, list[str]], dict[int, list[str]]]] = {}
    for side, rows in enumerate((here, there)):
        for key, whole, version in rows:
            both = versions.setdefault(int(key), (defaultdict(list), defaultdict(list)))
            both[side][int(whole)].append(str(version))
    found = []
    for key, (source, target) in sorted(versions.items()):
        only_source = [one for whole, ones in source.items() for one in sorted(ones)[len(target.get(whole, ())) :]]
        only_target = [one for whole, ones in target.items() for one in sorted(ones)[len(source.get(whole, ())) :]]
        if only_source or only_target:
            found.append(Odd(key, tuple(only_source), tuple(only_target)))
    return tuple(found)


def _too_much(why: str) -> StepFailed:
    return StepFailed(
        "too-much-to-repair",
        what="the target is not repaired row by row",
        why=why,
        state="nothing was changed",
        next="dcshift rollback SYSTEM and dcshift run copy anew; look for who wrote to the target first",
    )
