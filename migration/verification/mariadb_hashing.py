"""Writes the SQL of MariaDB's row hash; it holds no connection.

A row is written as one string that no other row has: of each column its length and its value, or a mark for NULL. Its
MD5's first 64 bits are summed; the sum does not depend on the order of rows, and counts duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Text of any length: its digest stands for it, because a string longer than max_allowed_packet becomes NULL.
_LONG: Final = frozenset(
    {"tinyblob", "blob", "mediumblob", "longblob", "tinytext", "text", "mediumtext", "longtext"}
)  # fmt: skip
_SHAPES: Final = frozenset(
    {
        "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
        "geometrycollection",
    }
)  # fmt: skip
_NUMBERED: Final = frozenset({"enum", "set", "bit"})
_FLOATING: Final = frozenset({"float", "double"})
_BYTES: Final = frozenset({"char", "varchar", "binary", "varbinary"})
_AS_TEXT: Final = frozenset(
    {
        "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "date", "datetime", "timestamp", "time", "year",
        "uuid", "inet6", "inet4",
    }
)  # fmt: skip
TYPES: Final = _LONG | _SHAPES | _NUMBERED | _FLOATING | _BYTES | _AS_TEXT
"""Types whose values we can tell apart in every bit."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the catalogue describes it; `name` is already quoted."""

    name: str
    type: str
    not_null: bool


def row_hash(columns: tuple[Column, ...]) -> str:
    """Return an SQL expression of type bigint unsigned over one row."""
    return f"CAST(CONV(LEFT(MD5(CONCAT({', '.join(map(_framed, columns))})), 16), 16, 10) AS unsigned)"


def _framed(column: Column) -> str:
    """Return what stands for one column: only where a value may hold any byte its length must say where it ends."""
    value = _written(column)
    if column.type in _BYTES:
        value = f"CONCAT(LENGTH({column.name}), ':', {value})"
    return f"{value}, ','" if column.not_null else f"IFNULL({value}, '-'), ','"


def _written(column: Column) -> str:
    """Return bytes that are equal exactly if two values are the same in every bit."""
    name = column.name
    if column.type in _LONG:
        return f"CONCAT(LENGTH({name}), MD5({name}))"
    if column.type in _SHAPES:
        return f"CONCAT(ST_SRID({name}), ' ', MD5(ST_AsBinary({name})))"
    if column.type in _NUMBERED:
        return f"CAST({name} AS unsigned)"  # the text of an index that is none is that of an empty one
    if column.type in _FLOATING:
        return f"CAST({name} AS double)"  # a float's own text has six digits only
    if column.type in _BYTES:
        return f"CAST({name} AS binary)"  # whatever its character set: definitions are compared by themselves
    return f"CAST({name} AS char)"
