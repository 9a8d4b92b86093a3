"""Plans what follows the rows: an index as soon as its own table is there, constraints once all tables are.

Objects are known by the numbers that the archive's table of contents and the source's catalogue share; no definition
and no name is ever read apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from migration.movers import building, foreign_keys, link
from migration.movers.building import Building
from migration.movers.foreign_keys import ForeignKey
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.movers.programs import Brake
from migration.movers.schema import Archive, Entry
from migration.movers.slots import Kind, Piece, Slots, gate

WEIGHTS: Final = {"btree": 0.6, "hash": 0.6, "gin": 1.5, "gist": 1.5, "spgist": 1.0, "brin": 0.1}
"""How long an index takes by its method, as a part of the time in which its table's rows are loaded: measured for btree
(0.6) and gin (1.5), the others are guesses."""
_TOGETHER_MAX: Final = 50
"""So many small tables get their indexes in one go: each program that is started for them costs some 20 ms."""
_CLASS: Final = 1259
_CONSTRAINT: Final = 2606

# A key of an ordinary table that was never named as anything else can be built as an index beside others, and named a
# key in an instant. Whatever the archive would say of it besides (CLUSTER, REPLICA IDENTITY) is said by the archive.
# An index that calls functions of people may read other tables, whatever they promised: it waits for all rows.
_INDEXES = """
SELECT i.indexrelid::bigint, k.oid::bigint, n.nspname, t.relname, c.relname, am.amname, pg_relation_size(t.oid),
    EXISTS (SELECT FROM pg_depend d JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
        JOIN pg_language l ON l.oid = f.prolang
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND l.lanname NOT IN ('internal', 'c')),
    CASE WHEN plain THEN pg_get_indexdef(c.oid) END,
    CASE WHEN plain THEN format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s USING INDEX %I%s%s', n.nspname, t.relname,
        k.conname, CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, c.relname,
        CASE WHEN k.condeferrable THEN ' DEFERRABLE' END, CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' END) END
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid AND t.relkind = 'r' JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT k.contype IN ('p', 'u') AND am.amname = 'btree' AND i.indisvalid AND NOT i.indisclustered
    AND NOT i.indisreplident AS plain) is_plain
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'dcshift')
"""


@dataclass(frozen=True, slots=True)
class Index:
    """One index to build, or key or exclusion that comes with its index."""

    number: int
    constraint: int | None
    table: str
    name: str
    heap_bytes: int
    weight_bytes: int
    late: bool
    """It must wait for the rows of all tables."""
    create: str | None
    """For a key: the statement by which its index is built beside others, and `attach`, by which it becomes the key."""
    attach: str | None

    @property
    def key(self) -> tuple[int, int]:
        """Return the numbers by which the archive knows it."""
        return (_CLASS, self.number) if self.constraint is None else (_CONSTRAINT, self.constraint)


Wanted = tuple[Entry, Index]


def indexes(source: Connection) -> dict[tuple[int, int], Index]:
    """Return all indexes of tables, by what the archive knows them by.

    The session must be pinned, or names in definitions would lack their schema.
    """
    found = [
        Index(number, constraint, quoted(schema, table), quoted(schema, name), heap,
              int(heap * WEIGHTS.get(method, 1.0)), late, create, attach)
        for number, constraint, schema, table, name, method, heap, late, create, attach in link.rows(source, _INDEXES)
    ]  # fmt: skip
    return {index.key: index for index in found}


@dataclass(frozen=True, slots=True)
class AfterRows:
    """All that follows the rows of one copy."""

    job: PostgresJob
    archive: Archive
    building: Building
    brake: Brake
    indexes: Mapping[tuple[int, int], Index]
    references: Mapping[int, ForeignKey]

    def pieces(self, rows: Mapping[str, Sequence[Piece]], all_rows: Piece) -> list[Piece]:
        """Return the pieces, each behind what it comes after; `rows` are those that bring a table's rows."""
        by_table: dict[str, list[Wanted]] = {}
        rest, comments, references = list[Entry](), list[Entry](), list[ForeignKey]()
        for entry in self.archive.after_rows():
            if (index := self.indexes.get((entry.catalogue, entry.oid))) is not None:
                by_table.setdefault(index.table, []).append((entry, index))
            elif entry.catalogue == _CONSTRAINT and entry.oid in self.references:
                references.append(self.references[entry.oid])
            else:
                (comments if entry.comment else rest).append(entry)
        found = list(self._of_small([its for its in by_table.values() if not self._is_big(its)], rows, all_rows))
        for its in by_table.values():
            if self._is_big(its):
                found += self._of_big(its, rows.get(its[0][1].table, [all_rows]), all_rows)
        found += [gate("all indexes", [all_rows, *found])]
        # Triggers, rules, policies, what partitioned tables have: nothing of it is long, and the order matters.
        found += [self._restored("the rest of the schema", rest, [found[-1]])]
        found += foreign_keys.pieces(self.job, self.building, self.brake, references, found[-1])
        # A comment locks its table as a constraint does that is being checked.
        return [*found, self._restored("comments", comments, [found[-1]])]

    def _is_big(self, its: Sequence[Wanted]) -> bool:
        return its[0][1].heap_bytes >= self.job.big_table_bytes

    def _of_small(
        self, tables: Iterable[list[Wanted]], rows: Mapping[str, Sequence[Piece]], all_rows: Piece
    ) -> Iterator[Piece]:
        """Build the indexes of several small tables in one go, one after another."""
        for group in _groups(tables, self.job.big_table_bytes):
            for late in (False, True):
                its = [(entry, index) for of_one in group for entry, index in of_one if index.late == late]
                tables_of = dict.fromkeys(index.table for _, index in its)
                before = [all_rows] if late else [each for name in tables_of for each in rows.get(name, [all_rows])]
                if its:
                    what = f"indexes of {', '.join(tables_of)}"
                    yield self._restored(what, [entry for entry, _ in its], before, indexes=[index for _, index in its])

    def _of_big(self, its: Sequence[Wanted], rows: Sequence[Piece], all_rows: Piece) -> Iterator[Piece]:
        """Build each index of a table by itself, then make keys of those that shall be some.

        Indexes of one table are built beside each other; whoever adds a key wants the table for himself.
        """
        beside = [index for _, index in its if index.create is not None and len(its) > 1]
        made = [self._created(index, [all_rows] if index.late else rows) for index in beside]
        last = list[Wanted]()
        for entry, index in its:
            if index.constraint is None:
                what = f"index {index.name}"
                made.append(self._restored(what, [entry], [all_rows] if index.late else rows, indexes=[index]))
            elif index not in beside:
                last.append((entry, index))
        yield from made
        attach = [str(index.attach) for index in beside]
        if last or attach:
            before = made or ([all_rows] if any(index.late for _, index in last) else rows)
            what = f"keys of {its[0][1].table}"
            entries, indexes = [entry for entry, _ in last], [index for _, index in last]
            yield self._restored(what, entries, before, indexes=indexes, attach=attach)

    def _created(self, index: Index, after: Sequence[Piece]) -> Piece:
        what = f"index {index.name}"

        def run(slots: Slots) -> None:
            settings = self.building.settings(slots.spare())
            building.run(self.job, settings, [str(index.create)], doing=f"building {what}", brake=self.brake)

        return Piece(Kind.BUILD, what, index.weight_bytes, run, after, index.table)

    def _restored(
        self,
        what: str,
        entries: Sequence[Entry],
        after: Sequence[Piece],
        *,
        indexes: Sequence[Index] = (),
        attach: Sequence[str] = (),
    ) -> Piece:
        """Return the piece that has the archive make these, and then names these keys."""
        of_indexes = bool(indexes or attach)
        doing = f"{'building' if of_indexes else 'restoring'} {what}"

        def run(slots: Slots) -> None:
            settings = self.building.settings(slots.spare() if of_indexes else 0)
            if entries:
                self.archive.restore(entries, settings, doing=doing)
            building.run(self.job, settings, attach, doing=doing, brake=self.brake)

        weight, table = sum(index.weight_bytes for index in indexes), indexes[0].table if len(indexes) == 1 else ""
        return Piece(Kind.BUILD, what, weight, run, after, table)


def _groups(tables: Iterable[list[Wanted]], bytes_max: int) -> Iterator[list[list[Wanted]]]:
    """Put tables together until they are as large as a big one, or many."""
    group, size = list[list[Wanted]](), 0
    for its in tables:
        group.append(its)
        size += its[0][1].heap_bytes
        if len(group) == _TOGETHER_MAX or size >= bytes_max:
            yield group
            group, size = [], 0
    if group:
        yield group
