"""Fills a target from one snapshot of the source: rows, what stands on them, large objects, views, statistics.

Everything is a piece of work that begins as soon as what it needs is there. It only reads the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from migration.model.words import Json
from migration.movers import after_rows, building, built, carrying, casts, copy, foreign_keys, link, schema, stream
from migration.movers.after_rows import AfterRows
from migration.movers.answering import AnswerWatch
from migration.movers.building import Building
from migration.movers.carrying import Carrying
from migration.movers.copy_watch import CopyWatch
from migration.movers.link import Connection, quoted
from migration.movers.slots import Kind, Piece, Slots
from migration.movers.sparing import Sparing
from migration.movers.turn import TurnWatch
from migration.verification.schema import OURS, not_of_extension

_STATISTICS_WEIGHT: Final = 0.02
"""How long ANALYZE takes, as a part of the time in which a table's rows are loaded: a guess."""
_TOGETHER_MAX: Final = 100
# Whoever analyzes a partitioned table analyzes its partitions.
_ANALYZED: Final = f"""
SELECT n.nspname, c.relname, pg_table_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND {OURS} AND {not_of_extension("pg_class", "c.oid")}
ORDER BY 3 DESC, 1, 2
"""


def fill(
    source: Connection,
    target: Connection,
    *,
    slot: stream.Slot,
    pipe: copy.Pipe,
    folder: Path,
    sparing: Sparing,
) -> dict[str, Json]:
    """Do all of it; return the facts. Raises `StepFailed` when the target is then not as the source was.

    The source is spared until its snapshot is let go of; what is built then costs it nothing.
    """
    try:
        with TurnWatch(pipe.job, pipe.brake), AnswerWatch(pipe.job, pipe.brake):
            return _fill(source, target, slot=slot, pipe=pipe, folder=folder, sparing=sparing)
    except Exception:
        if pipe.brake.why is not None:
            raise pipe.brake.why from None  # whatever else failed then was ended by it
        raise


def _fill(
    source: Connection,
    target: Connection,
    *,
    slot: stream.Slot,
    pipe: copy.Pipe,
    folder: Path,
    sparing: Sparing,
) -> dict[str, Json]:
    job = pipe.job
    with carrying.in_snapshot(pipe) as reader:
        xmin = int(link.rows(reader, "SELECT txid_snapshot_xmin(txid_current_snapshot())")[0][0])
        # The oldest transaction that the snapshot does not see: large objects newer than it changed since.
        link.rows(target, "UPDATE dcshift.claim SET snapshot_xmin = %s", (xmin,))
        archive = schema.Archive(job, folder, pipe.pass_file, pipe.brake)
        _lacking, there = casts.refused(source, target)
        archive.dump(slot.snapshot, {one.number for one in there})
        archive.restore_before_rows()
        wanted, tables = built.definitions(reader), copy.tables(reader)
        how, carried, views = building.on(target, job.workers), Carrying(pipe, slot, reader), list[int]()

        def refresh(_: object) -> None:
            with building.session(job, how.settings(), pipe.brake) as ours:
                views.append(schema.refresh_materialised_views(source, ours, job.owner))

        pieces = _rows_and_behind(archive, tables, how, carried, sparing.read_all)
        pieces.append(Piece(Kind.BUILD, "materialised views", 0, refresh, [pieces[-1]]))
        # Before the stream is enabled: otherwise its first updates of a big table would be planned without statistics.
        pieces += _statistics(reader, pipe, how, pieces[-1])
        slots = Slots(pieces, job.workers, pipe.brake)
        with sparing.reading(), CopyWatch(job, slots, pipe.throttle, carried.rows):
            slots.run()
    return {
        "tables": len(tables),
        "rows": sum(carried.rows),
        "bytes": sum(table.size_bytes for table in tables),
        "tables_in_parts": list(carried.parted),
        "indexes_and_constraints": built.prove(job, wanted),
        "large_objects": carried.large_objects,
        "materialised_views": sum(views),
        "sequences": schema.carry_sequences(source, target, job.owner),
        "snapshot_xmin": xmin,
        "left_out": list(archive.left_out),
    }


def _rows_and_behind(
    archive: schema.Archive,
    tables: Sequence[copy.Table],
    how: Building,
    carried: Carrying,
    on_read: Callable[[], None],
) -> list[Piece]:
    """Return the pieces of rows, of indexes and of constraints; the last one comes after all but large objects."""
    indexes, references = after_rows.indexes(carried.reader), foreign_keys.of(carried.reader)
    behind: dict[str, int] = {}
    for index in indexes.values():
        behind[index.table] = max(behind.get(index.table, 0), index.weight_bytes)
    total = sum(table.size_bytes for table in tables) + sum(index.weight_bytes for index in indexes.values())
    rows = carried.of_tables(tables, behind, total)
    first = [piece for its in rows.values() for piece in its] + carried.of_the_rest()
    end = carried.end(first, on_read)
    after = AfterRows(carried.pipe.job, archive, how, carried.pipe.brake, indexes, references)
    return [*first, end, *after.pieces(rows, end)]


def _statistics(reader: Connection, pipe: copy.Pipe, how: Building, after: Piece) -> Iterator[Piece]:
    """Yield the pieces that analyze what there is: a big table by itself, small ones together."""
    group, size = list[str](), 0
    found = link.rows(reader, _ANALYZED)
    for number, (schema_name, name, size_bytes) in enumerate(found, 1):
        group.append(quoted(schema_name, name))
        size += size_bytes
        if size >= pipe.job.big_table_bytes or len(group) == _TOGETHER_MAX or number == len(found):
            statement = f"ANALYZE {', '.join(group)}"

            def run(_: object, statement: str = statement) -> None:
                building.run(pipe.job, how.settings(), [statement], doing="making statistics", brake=pipe.brake)

            yield Piece(Kind.BUILD, statement, int(size * _STATISTICS_WEIGHT), run, [after])
            group, size = [], 0
