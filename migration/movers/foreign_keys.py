"""Adds foreign keys in two steps: named at once, then checked table by table, each beside the others.

A key that the archive would add in one step locks both of its tables for as long as it is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migration.movers import building, link
from migration.movers.building import Building
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.movers.programs import Brake
from migration.movers.slots import Kind, Piece, gate

_WEIGHT = 0.3
"""How long a check takes, as a part of the time in which its table's rows are loaded: a guess."""
# Of ordinary tables on both sides: others cannot be added unchecked, and are left to the archive.
_FOREIGN_KEYS = """
SELECT k.oid::bigint, n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated,
    pg_relation_size(c.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND c.relkind = 'r'
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class r ON r.oid = k.confrelid AND r.relkind = 'r'
WHERE k.contype = 'f'
"""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One foreign key as the source has it."""

    table: str
    name: str
    definition: str
    validated: bool
    heap_bytes: int

    @property
    def add(self) -> str:
        """Return the statement that names it without a look at any row."""
        # One that the source never checked says so itself.
        unchecked = " NOT VALID" if self.validated else ""
        return f"ALTER TABLE ONLY {self.table} ADD CONSTRAINT {self.name} {self.definition}{unchecked}"

    @property
    def validate(self) -> str:
        return f"ALTER TABLE ONLY {self.table} VALIDATE CONSTRAINT {self.name}"


def of(source: Connection) -> dict[int, ForeignKey]:
    """Return them by their numbers; the session must be pinned, or tables would lack their schema."""
    return {
        number: ForeignKey(quoted(schema, table), quoted(name), definition, validated, size)
        for number, schema, table, name, definition, validated, size in link.rows(source, _FOREIGN_KEYS)
    }


def pieces(job: PostgresJob, how: Building, brake: Brake, keys: Sequence[ForeignKey], after: Piece) -> list[Piece]:
    """Return the pieces that add these keys and check them; the last of them comes after all others."""

    def does(statements: Sequence[str], doing: str, weight: int, before: Piece, table: str = "") -> Piece:
        def run(_: object) -> None:
            building.run(job, how.settings(), statements, doing=doing, brake=brake)

        return Piece(Kind.BUILD, doing, weight, run, [before], table)

    added = does([key.add for key in keys], "adding foreign keys", 0, after)
    by_table: dict[str, list[ForeignKey]] = {}
    for key in keys:
        if key.validated:
            by_table.setdefault(key.table, []).append(key)
    # Two checks of one table exclude each other.
    checks = [
        does([key.validate for key in its], f"checking foreign keys of {table}",
             int(_WEIGHT * its[0].heap_bytes * len(its)), added, table)
        for table, its in by_table.items()
    ]  # fmt: skip
    return [added, *checks, gate("all constraints", [added, *checks])]
