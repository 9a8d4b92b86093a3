"""Plans what passes the wire: the rows of every table, large objects, the marker, all of them out of one snapshot.

One table is one piece, which one worker empties, fills and freezes in one transaction; only a table that all others
would wait for is read in parts, which cannot be frozen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from migration.movers import large_objects, link, stream
from migration.movers.copy import Part, Pipe, Table, split
from migration.movers.link import Connection, literal
from migration.movers.slots import Kind, Piece

_LARGE_OBJECT_WEIGHT: Final = 3
"""They are put back one by one, which takes longer than rows of the same size: a guess."""
_PARTS_OF_WORKER: Final = 2
"""Parts for each worker: of equal parts, one for each, the slowest would be waited for."""
_IN_RANGES: Final = 140000
"""From this version on a server finds a range of pages without reading those before it."""


@dataclass(slots=True)
class Carrying:
    """What is carried for one copy, and how much of it was."""

    pipe: Pipe
    slot: stream.Slot
    reader: Connection
    """A session in the slot's snapshot, until that is let go of."""
    rows: list[int] = field(default_factory=list)
    parted: list[str] = field(default_factory=list)
    large_objects: int = 0

    def of_tables(
        self, tables: Sequence[Table], behind_bytes: dict[str, int], all_bytes: int
    ) -> dict[str, list[Piece]]:
        """Return the pieces that bring each table's rows.

        `behind_bytes` is the longest work that waits for a table, `all_bytes` that of everything: a table whose way is
        longer than one worker's share of it is read in parts.
        """
        found: dict[str, list[Piece]] = {}
        for table in tables:
            way = table.size_bytes + behind_bytes.get(table.quoted, 0)
            parts = self._parts(table) if way * self.pipe.job.workers > all_bytes else []
            pieces = [self._piece(table, part.size_bytes, partial(self.pipe.carry_part, part)) for part in parts]
            whole = self._piece(table, table.size_bytes, partial(self.pipe.carry, table))
            found[table.quoted] = pieces or [whole]
        return found

    def _parts(self, table: Table) -> list[Part]:
        """Return the parts of a table that may have some; it is then kept from being rewritten until all are read."""
        job, count = self.pipe.job, _PARTS_OF_WORKER * self.pipe.job.workers
        if job.workers == 1 or table.size_bytes < job.big_table_bytes or table.pages < count or not table.columns:
            return []
        if self.reader.info.server_version < _IN_RANGES:
            return []
        # VACUUM FULL or CLUSTER between two parts would put rows into other pages: lost, or found twice. Every reader
        # holds this lock while it reads; here it is one that lasts.
        link.rows(self.reader, f"SELECT FROM ONLY {table.quoted} LIMIT 0")
        self.parted.append(f"{table.schema}.{table.name}")
        return split(table, count)

    def _piece(self, table: Table, size_bytes: int, carry: Callable[[], int]) -> Piece:
        def run(_: object) -> None:
            self.rows.append(carry())

        return Piece(Kind.CARRY, f"rows of {table.quoted}", size_bytes, run, table=table.quoted)

    def of_the_rest(self) -> list[Piece]:
        """Return the pieces that bring large objects and the marker."""
        size = int(link.rows(self.reader, "SELECT pg_table_size('pg_catalog.pg_largeobject')")[0][0])

        def objects(_: object) -> None:
            job = self.pipe.job
            with (
                link.session(job.source, program=job.program) as source,
                link.session(job.target, program=job.program) as target,
            ):
                self.large_objects = large_objects.carry_all(self.pipe, source, target)

        def marker(_: object) -> None:
            read = ["COPY dcshift.marker (id, value, at) TO STDOUT (FORMAT binary)"]
            write = ["BEGIN", "DELETE FROM dcshift.marker", "COPY dcshift.marker FROM STDIN (FORMAT binary)", "COMMIT"]
            self.pipe.move(read, write, doing="copy of the marker")

        return [
            Piece(Kind.CARRY, "large objects", _LARGE_OBJECT_WEIGHT * size, objects),
            Piece(Kind.CARRY, "the marker", 0, marker),
        ]

    def end(self, after: Sequence[Piece], on_read: Callable[[], None]) -> Piece:
        """Return the piece that lets go of the snapshot: from there on the source may clean up behind its writers.

        `on_read` is called when nothing more is read from it.
        """

        def run(_: object) -> None:
            link.rows(self.reader, "SELECT 1")  # it has kept tables from being rewritten all the time, or it has failed
            self.reader.close()
            self.slot.close()
            on_read()

        return Piece(Kind.BUILD, "end of the snapshot", 0, run, after)


@contextlib.contextmanager
def in_snapshot(pipe: Pipe) -> Iterator[Connection]:
    """Open a session, pinned, that sees the source as every worker does."""
    reader = link.connect(pipe.job.source, program=pipe.job.program, autocommit=False)
    try:
        link.run(reader, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        link.run(reader, f"SET TRANSACTION SNAPSHOT {literal(str(pipe.snapshot))}")
        link.run(reader, "SET idle_in_transaction_session_timeout = 0")
        link.pin(reader)
        yield reader
    finally:
        reader.close()
