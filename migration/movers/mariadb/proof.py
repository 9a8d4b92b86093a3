"""Proves both sides of one moment equal: definitions, rows, counters; a difference is named by the hash of its key.

Values are citizens' data: they are hashed by the servers, and never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from migration.model.words import Proof
from migration.movers import lines
from migration.movers.mariadb import counters, link
from migration.movers.mariadb import schema as schemas
from migration.movers.mariadb.link import Connection, quoted
from migration.movers.mariadb.moment import Moment
from migration.verification.mariadb_hashing import Column, row_hash

DIFFERENCES_MAX: Final = 20
_BUCKETS: Final = 1024
_BUCKETS_READ_MAX: Final = 8
_ROWS_NAMED_MAX: Final = 5
_PACKET_BYTES_MIN: Final = 256 * 1024
"""A row without its long values is at most 64 KiB; a string above max_allowed_packet would become NULL."""
_COLUMNS: Final = """
SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.IS_NULLABLE = 'NO', c.COLUMN_KEY = 'PRI',
    t.DATA_LENGTH
FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA IN ({marks}) ORDER BY 1, 2, c.ORDINAL_POSITION
"""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Table:
    """One table as the source's catalogue describes it."""

    parts: tuple[str, str]
    """Database and name."""
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    bytes: int

    @property
    def name(self) -> str:
        return ".".join(self.parts)

    @property
    def place(self) -> str:
        return quoted(*self.parts)


def prove(moment: Moment, databases: tuple[str, ...], between: Callable[[], object] = lambda: None) -> Iterator[Proof]:
    """Yield each proof; rows are compared only where the definitions are equal, and `between` may end it."""
    definitions = _definitions(moment, databases)
    yield definitions
    if definitions.passed:
        yield _rows(moment, databases, between)
        if moment.frozen:
            yield counters.prove(moment, databases)


def _definitions(moment: Moment, databases: tuple[str, ...]) -> Proof:
    here, there = _both(moment, lambda side: schemas.of(side, databases))
    differences = [f"{name}: missing on the target" for name in sorted(here.keys() - there.keys())]
    differences += [f"{name}: only on the target" for name in sorted(there.keys() - here.keys())]
    differences += [f"{name}: differs" for name in sorted(here.keys() & there.keys()) if here[name] != there[name]]
    sentence = f"{len(here)} definitions are equal on both sides"
    return _proof("definitions", sentence, {"definitions": len(here)}, differences)


def _rows(moment: Moment, databases: tuple[str, ...], between: Callable[[], object]) -> Proof:
    packets = _both(moment, lambda side: int(link.one(side, "SELECT @@max_allowed_packet")))
    if min(packets) < _PACKET_BYTES_MIN:
        odd = (
            f"max_allowed_packet is {min(packets):,} bytes: rows cannot be hashed with less than {_PACKET_BYTES_MIN:,}"
        )
        return _proof("rows", "", {}, [odd])
    tables, differences, rows, done = tables_of(moment.source, databases), list[str](), 0, 0
    standing = lines.Standing("comparing", len(tables), sum(table.bytes for table in tables))
    for number, table in enumerate(tables):
        between()
        standing.say(number, done)
        query = f"SELECT COUNT(*), COALESCE(SUM({row_hash(table.columns)}), 0) FROM {table.place}"
        here, there = _both(moment, lambda side, query=query: link.rows(side, query)[0])  # type: ignore[misc]
        if here != there:
            differences += _narrow(moment, table, int(here[0]), int(there[0]))
        rows, done = rows + int(here[0]), done + table.bytes
    figures = {"tables": len(tables), "rows": rows}
    return _proof("rows", f"{rows:,} rows in {len(tables)} tables are equal on both sides", figures, differences)


def tables_of(source: Connection, databases: tuple[str, ...]) -> list[Table]:
    """Return the tables, largest first."""
    found: dict[tuple[str, str], list[tuple[Column, bool]]] = {}
    sizes: dict[tuple[str, str], int] = {}
    query = _COLUMNS.format(marks=", ".join(["%s"] * len(databases)))
    for schema, table, name, type_, not_null, in_key, size in link.rows(source, query, databases):
        found.setdefault((schema, table), []).append((Column(quoted(name), type_, bool(not_null)), bool(in_key)))
        sizes[schema, table] = int(size or 0)
    tables = [
        Table(
            parts=place,
            columns=tuple(column for column, _ in columns),
            key=tuple(column for column, in_key in columns if in_key),
            bytes=sizes[place],
        )
        for place, columns in found.items()
    ]
    return sorted(tables, key=lambda table: (-table.bytes, table.name))


def _narrow(moment: Moment, table: Table, count_here: int, count_there: int) -> list[str]:
    """Find the rows behind two different totals, by the hash of their key."""
    key, whole = row_hash(table.key or table.columns), row_hash(table.columns)
    said = [f"table {table.name}: {count_here:,} rows at the source, {count_there:,} on the target"]
    said = said if count_here != count_there else []

    def ask(query: str) -> tuple[Counter[tuple[int, ...]], Counter[tuple[int, ...]]]:
        here, there = _both(moment, lambda side: Counter(tuple(map(int, row)) for row in link.rows(side, query)))
        return here - there, there - here

    bucket = f"({key} & {_BUCKETS - 1})"
    here, there = ask(f"SELECT {bucket}, COUNT(*), SUM({whole}) FROM {table.place} GROUP BY 1")
    odd = sorted({row[0] for row in here | there})[:_BUCKETS_READ_MAX]
    within = f"{bucket} IN ({', '.join(map(str, odd))})"
    # Equal rows of a table without a key are told apart by their number.
    here, there = ask(f"SELECT {key}, {whole} FROM {table.place} WHERE {within}")
    keys_here, keys_there = {row[0] for row in here}, {row[0] for row in there}
    named = sorted(keys_here | keys_there)
    for one in named[:_ROWS_NAMED_MAX]:
        what = "differs" if one in keys_here & keys_there else "missing on the target"
        what = "only on the target" if one not in keys_here else what
        columns = _columns(moment, table, f"{key} = {one}") if what == "differs" and table.key else []
        said.append(f"table {table.name}: row with key hash {one:016x} {what}{_within(columns)}")
    more = len(named) - _ROWS_NAMED_MAX
    return [*said, f"table {table.name}: and {more} more rows"] if more > 0 else said


def _columns(moment: Moment, table: Table, which: str) -> list[str]:
    hashes = ", ".join(row_hash((column,)) for column in table.columns)
    here, there = _both(moment, lambda side: link.rows(side, f"SELECT {hashes} FROM {table.place} WHERE {which}"))
    if len(here) != 1 or len(there) != 1:
        return []
    return [column.name for column, a, b in zip(table.columns, here[0], there[0], strict=True) if a != b]


def _within(columns: list[str]) -> str:
    return f" in {', '.join(columns)}" if columns else ""


def _both(moment: Moment, ask: Callable[[Connection], _Answer]) -> tuple[_Answer, _Answer]:
    """Ask both sides at once."""
    with ThreadPoolExecutor(2) as pool:
        here, there = pool.submit(ask, moment.source), pool.submit(ask, moment.target)
        return here.result(), there.result()


def _proof(name: str, sentence: str, figures: dict[str, int], differences: list[str]) -> Proof:
    if differences:
        sentence = f"{len(differences)} differences in {name}"
    return Proof(name, not differences, sentence, dict(figures), tuple(differences[:DIFFERENCES_MAX]))
