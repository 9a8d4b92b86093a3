"""Gives floating numbers their last bits back: mariadb-dump writes a FLOAT with six digits.

It runs once, before the copy counts as following, while the target stands at one moment of the source. These columns
alone pass through Python, of these rows alone whose written form is not the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.movers import lines
from migration.movers.mariadb import link, proof
from migration.movers.mariadb.link import Connection, quoted
from migration.movers.mariadb.moment import Moment
from migration.movers.mariadb.proof import Table
from migration.verification.mariadb_hashing import Column

_ROWS: Final = 500
# Set by hand, a column that notes each change keeps its value.
_NOTING: Final = """
SELECT COLUMN_NAME FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND EXTRA LIKE '%%on update%%'
"""
_GENERATED: Final = """
SELECT COLUMN_NAME FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND IS_GENERATED = 'ALWAYS'
"""


def mend(moment: Moment, databases: tuple[str, ...]) -> int:
    """Write the numbers that a dump cannot carry; return how many rows were written."""
    written = 0
    for table in proof.tables_of(moment.source, databases):
        generated = {quoted(name) for (name,) in link.rows(moment.source, _GENERATED, table.parts)}
        columns = tuple(c for c in table.columns if c.type == "float" and c.name not in generated)
        if columns and table.key:
            lines.progress("floating numbers", written, None, "rows")
            noting = [quoted(name) for (name,) in link.rows(moment.target, _NOTING, table.parts)]
            for batch in _rounded(moment.source, table, columns):
                written += _write(moment.target, table, columns, noting, batch)
    return written


def _rounded(source: Connection, table: Table, columns: tuple[Column, ...]) -> Iterator[list[link.Row]]:
    """Yield key and numbers of rows in which a number is not what its text says."""
    keys = [key.name for key in table.key]
    exact = [f"CAST({column.name} AS double)" for column in columns]
    lossy = [f"CONCAT({value}) <> CONCAT({c.name})" for c, value in zip(columns, exact, strict=True)]
    query = f"SELECT {', '.join([*keys, *exact])} FROM {table.place} WHERE {' OR '.join(lossy)}"
    with link.unbuffered(source) as cursor:
        cursor.execute(query)
        while batch := list(cursor.fetchmany(_ROWS)):
            yield batch


def _write(
    target: Connection, table: Table, columns: tuple[Column, ...], noting: list[str], batch: list[link.Row]
) -> int:
    values = [f"{_plain(c.name)} = %s" for c in columns] + [f"{_plain(name)} = {_plain(name)}" for name in noting]
    where = [f"{_plain(key.name)} = %s" for key in table.key]
    query = f"UPDATE {_plain(table.place)} SET {', '.join(values)} WHERE {' AND '.join(where)}"
    link.run(target, "START TRANSACTION")
    for row in batch:
        key, numbers = row[: len(table.key)], row[len(table.key) :]
        link.rows(target, query, (*numbers, *key))
    link.run(target, "COMMIT")
    return len(batch)


def _plain(name: str) -> str:
    """Return a name for a statement whose values are put in the places of its percent signs."""
    return name.replace("%", "%%")
