"""Copies one PostgreSQL database to a newer one and follows its changes: `python -m migration.movers.postgres`.

It begins again from nothing after being killed at any moment, it only reads the source's rows, and it never touches a
target that it did not fill.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from pydantic import ValidationError

from migration.errors import MigrationError, StepFailed, UsageError
from migration.model.words import Json
from migration.movers import claim, copy, identity, large_objects, lines, link, memory, room, schema, settings, stream
from migration.movers import job as jobs
from migration.movers.copy_watch import CopyWatch
from migration.movers.database_load import DatabaseLoad
from migration.movers.job import PostgresJob, Words
from migration.movers.link import Connection
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle

_SLOT_SECONDS_MAX = 300.0


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="python -m migration.movers.postgres", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    try:
        lines.result(move(_read(words.parse_args(argv).job)))
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except psycopg.Error as failure:
        lines.error(
            StepFailed(
                "database-failed",
                what="the copy stopped because a database refused or broke off",
                why=str(failure).strip() or type(failure).__name__,
                state="the source was only read; the copy is incomplete and begins again on the next run",
                next="mend the cause, then dcshift run",
            )
        )
        return 1
    except OSError as failure:
        if not room.is_full(failure):
            raise
        lines.error(room.missing(memory.folder(), doing="the copy of the database"))
        return 1
    return 0


def _read(where: str) -> PostgresJob:
    try:
        return jobs.read(where)
    except (OSError, ValueError) as bad:
        # pydantic's message could repeat a password: name the fields only.
        fields = (
            [".".join(map(str, e["loc"])) for e in bad.errors()] if isinstance(bad, ValidationError) else [str(bad)]
        )
        raise UsageError(
            "bad-job",
            what="the job could not be read",
            why=f"wrong or missing: {', '.join(fields)}",
            state="nothing was touched",
            next="python -m migration.movers.postgres --help",
        ) from None


def move(job: PostgresJob) -> dict[str, Json]:
    """Copy and catch up, or only catch up when the copy is complete; return the facts."""
    began = time.monotonic()
    with (
        link.session(job.source, program=job.program) as source,
        link.session(job.target, program=job.program) as target,
        pass_file(job) as (folder, file),
    ):
        claim.end_sessions(source, job.program)
        claim.end_sessions(target, job.program)
        link.rows(source, "SELECT dcshift.take_turn(%s)", (job.token,))
        facts: dict[str, Json] = {}
        with Sparing(job.source_limits_file, DatabaseLoad(job)) as sparing:
            if not _follows(job, source, target):
                facts = _copy(job, source, target, folder, file, sparing=sparing)
            facts |= {"settings": list(settings.carry(source, target, job.owner))}
            facts |= _catch_up(job, source, target, sparing)
    return {**facts, "seconds": round(time.monotonic() - began, 1)}


@contextlib.contextmanager
def pass_file(job: PostgresJob) -> Iterator[tuple[Path, Path]]:
    """Give the programs a private folder in memory and a password file in it, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="dcshift-", dir=memory.folder()) as name:
        folder = Path(name)
        file = folder / "pass"
        file.touch(mode=0o600)
        file.write_text(job.source.pass_line() + job.target.pass_line())
        yield folder, file


def _follows(job: PostgresJob, source: Connection, target: Connection) -> bool:
    """Say whether a complete copy is there whose stream can go on."""
    phase = claim.phase(target, job.system)
    if phase in (claim.HANDED_OVER, claim.RETIRED):
        raise StepFailed(
            "target-handed-over",
            what=f"{job.system} is not copied again",
            why="its target was handed over and may hold writes that exist nowhere else",
            state="nothing was touched",
            next="dcshift status",
        )
    if phase != claim.FOLLOWING:
        return False
    slot = stream.lag(source, job.name)
    published, known = stream.tables_of(job.publication, job.name, source, target)
    return slot is not None and not slot.lost and bool(known) and published == known


def _copy(
    job: PostgresJob, source: Connection, target: Connection, folder: Path, file: Path, *, sparing: Sparing
) -> dict[str, Json]:
    lines.progress("cleaning", 0, None, "steps")
    claim.clean(target, job.system, job.owner, job.name)
    claim.take(target, job.system)
    stream.drop_slot(source, job.name)
    keyless = identity.give(source)
    stream.publish(source, job.publication)
    schema.create_extensions(source, target, job.owner)
    with sparing.reading(_waiting("before the copy", "steps")):
        sparing.hold()  # as long as there is no slot, waiting costs the source nothing
    lines.progress("waiting for open transactions", 0, None, "steps")
    slot = stream.create_slot(job, seconds_max=_SLOT_SECONDS_MAX)
    pipe = copy.Pipe(job, file, slot.snapshot, Throttle(job.limit_file, sparing=sparing))
    try:
        facts = _copy_snapshot(job, source, target, slot=slot, pipe=pipe, folder=folder, sparing=sparing)
        return facts | {"keyless_tables": list(keyless)}
    finally:
        slot.close()


def _waiting(what: str, unit: str) -> Callable[[str | None], None]:
    return lambda waits: lines.progress(what, 0, None, unit, waits=waits)


def _copy_snapshot(
    job: PostgresJob,
    source: Connection,
    target: Connection,
    *,
    slot: stream.Slot,
    pipe: copy.Pipe,
    folder: Path,
    sparing: Sparing,
) -> dict[str, Json]:
    xmin = _remember_snapshot(job, target, slot)
    archive = schema.Archive(job, folder, pipe.pass_file)
    archive.dump(slot.snapshot)
    archive.restore_before_rows()
    found = copy.tables(source)
    rows = 0
    with sparing.reading(), CopyWatch(job, found, sparing) as watch:
        finished = []

        def on_table(table: copy.Table, carried: int) -> None:
            finished.append(carried)
            watch.finished(table)

        copy.carry_all(pipe, found, on_table)
        rows = sum(finished)
    lines.progress("large objects", 0, None, "objects")
    with sparing.reading(_waiting("large objects", "objects")):
        objects = large_objects.carry_all(pipe, source, target)
    lines.progress("indexes and constraints", 0, None, "steps")
    archive.restore_after_rows()
    views = schema.refresh_materialised_views(source, target, job.owner)
    sequences = schema.carry_sequences(source, target, job.owner)
    lines.progress("statistics", 0, None, "steps")
    # Before the stream is enabled: otherwise its first updates of a big table would be planned without statistics.
    link.run(target, "SET statement_timeout = 0", job.as_owner, "ANALYZE", "RESET ROLE")
    link.run(target, "INSERT INTO dcshift.marker VALUES (1, 0, now()) ON CONFLICT DO NOTHING")
    _copy_marker(pipe)
    stream.subscribe(job, source, target)
    claim.set_phase(target, claim.FOLLOWING)
    return {
        "tables": len(found),
        "rows": rows,
        "bytes": sum(table.size_bytes for table in found),
        "large_objects": objects,
        "materialised_views": views,
        "sequences": sequences,
        "snapshot_xmin": xmin,
        "left_out": list(archive.left_out),
    }


def _remember_snapshot(job: PostgresJob, target: Connection, slot: stream.Slot) -> int:
    """Record the oldest transaction that the snapshot does not see: large objects newer than it changed since."""
    with link.connect(job.source, program=job.program, autocommit=False) as reader:
        link.run(reader, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        link.run(reader, f"SET TRANSACTION SNAPSHOT {link.literal(slot.snapshot)}")
        xmin = int(link.rows(reader, "SELECT txid_snapshot_xmin(txid_current_snapshot())")[0][0])
        reader.rollback()
    link.rows(target, "UPDATE dcshift.claim SET snapshot_xmin = %s", (xmin,))
    return xmin


def _copy_marker(pipe: copy.Pipe) -> None:
    read = ["COPY dcshift.marker (id, value, at) TO STDOUT (FORMAT binary)"]
    write = ["BEGIN", "DELETE FROM dcshift.marker", "COPY dcshift.marker FROM STDIN (FORMAT binary)", "COMMIT"]
    pipe.move(read, write, doing="copy of the marker")


def _catch_up(job: PostgresJob, source: Connection, target: Connection, sparing: Sparing) -> dict[str, Json]:
    stream.enable(job.name, job.publication, source, target)
    deadline = time.monotonic() + job.catch_up_seconds_max
    rate = lines.Rate()
    first = None
    errors = stream.apply_errors(target, job.name)
    while True:
        sparing.hold()
        lag = stream.lag(source, job.name)
        if lag is None or lag.lost:
            raise _stream_lost(job)
        first = lag.bytes if first is None else max(first, lag.bytes)
        lines.progress("catching up", first - lag.bytes, first, "bytes", rate.of(first - lag.bytes))
        if lag.bytes <= job.lag_bytes_max and stream.wait_for_mark(target, stream.mark(source), seconds_max=5.0):
            return {"lag_bytes": lag.bytes}
        if stream.apply_errors(target, job.name) > errors:
            raise StepFailed(
                "changes-not-applied",
                what=f"the target does not apply the changes of {job.system}",
                why="its apply worker failed; the server's log has the reason",
                state="the source serves; the slot keeps the changes",
                next=f"read the log of the target's database, mend the cause, then dcshift run ({job.name})",
            )
        if time.monotonic() > deadline:
            raise StepFailed(
                "catch-up-too-slow",
                what=f"{job.system} is still {lag.bytes} bytes behind",
                why=f"the limit is {job.lag_bytes_max} bytes within {job.catch_up_seconds_max:.0f} s",
                state="the source serves; the stream goes on",
                next="dcshift run waits again",
            )
        time.sleep(0.5)


def _stream_lost(job: PostgresJob) -> StepFailed:
    return StepFailed(
        "stream-lost",
        what=f"the slot {job.name} is gone or lost its place",
        why="it was dropped, or the source removed log that it still needed (max_slot_wal_keep_size)",
        state="the source serves; the copy can no longer be followed",
        next="dcshift run copies anew",
    )


if __name__ == "__main__":
    raise SystemExit(main())
