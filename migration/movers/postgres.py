"""Copies one PostgreSQL database to a newer one and follows its changes: `python -m migration.movers.postgres`.

With `--engine physical` it moves a whole server by its files instead: `movers/physical.py`.

It begins again from nothing after being killed at any moment, it only reads the source's rows, and it never touches a
target that it did not fill. What it put at the source for a copy that failed, it takes away again.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psycopg

from migration.errors import MigrationError, StepFailed
from migration.model.words import Json
from migration.movers import (
    built,
    claim,
    copy,
    filling,
    identity,
    letting_go,
    lines,
    link,
    memory,
    room,
    schema,
    schema_changes,
    settings,
    stream,
)  # fmt: skip
from migration.movers import job as jobs
from migration.movers.database_load import DatabaseLoad
from migration.movers.job import PostgresJob, Words
from migration.movers.link import Connection
from migration.movers.programs import Brake
from migration.movers.sparing import Sparing
from migration.movers.spread import memory_bytes_most
from migration.movers.throttle import Throttle

_SLOT_SECONDS_MAX = 300.0
_Job = TypeVar("_Job")


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="python -m migration.movers.postgres", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    engines = "logical (default): one database, row by row; physical: a whole server by its files, run on the target"
    words.add_argument("--engine", choices=("logical", "physical"), default="logical", help=engines)
    words.add_argument("--undo", action="store_true", help="physical: remove the copy and its slots at the source")
    try:
        said = words.parse_args(argv)
        if said.undo and said.engine != "physical":
            words.error("--undo is known to --engine physical alone: dcshift rollback takes back a logical copy")
        with told_to_end():
            lines.result(
                _physical(said.job, words.prog, undo=said.undo)
                if said.engine == "physical"
                else move(jobs.given(said.job, jobs.read, words.prog))
            )
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except psycopg.Error as failure:
        lines.error(letting_go.broken(failure))
        return 1
    except OSError as failure:
        if not room.is_full(failure):
            raise
        lines.error(room.missing(memory.folder(), doing="the copy of the database"))
        return 1
    return 0


def _physical(where: str, program: str, *, undo: bool) -> dict[str, Json]:
    from migration.movers import physical, physical_job

    job = jobs.given(where, physical_job.read, program)
    return physical.undo(job) if undo else physical.move(job)


@contextlib.contextmanager
def told_to_end() -> Iterator[None]:
    """Whoever is told to end still takes his slots away from the source: without him his copy is worthless anyway."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
        with Sparing(job.source_limits_file, DatabaseLoad(job)) as sparing:
            if _follows(job, source, target):
                facts: dict[str, Json] = {"rebuilt_indexes": list(built.rebuild(job, source, target))}
            else:
                facts = _copy(job, source, target, folder, file, sparing=sparing)
            facts |= {"settings": list(settings.carry(source, target, job.owner))}
            facts |= catch_up(job, source, target, sparing)
    return {**facts, "memory_bytes_most": memory_bytes_most(), "seconds": round(time.monotonic() - began, 1)}


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
    """Make the copy from nothing; after a failure nothing of ours burdens the source."""
    lines.progress("cleaning", 0, None, "steps")
    claim.clean(target, job.system, job.owner, job.name)
    claim.take(target, job.system)
    try:
        return _copy_anew(job, source, target, folder, file, sparing=sparing)
    except MigrationError as failure:
        failure.state += f"; {letting_go.after_failure(job, source)}"
        raise
    except psycopg.Error as failure:
        raise letting_go.broken(failure, letting_go.after_failure(job, source)) from failure
    except BaseException:
        letting_go.after_failure(job, source)
        raise


def _copy_anew(
    job: PostgresJob, source: Connection, target: Connection, folder: Path, file: Path, *, sparing: Sparing
) -> dict[str, Json]:
    stream.drop_slot(source, job.name)
    keyless = identity.give(source)
    stream.publish(source, job.publication)
    schema.create_extensions(source, target, job.owner)
    with sparing.reading(_waiting("before the copy", "steps")):
        sparing.hold()  # as long as there is no slot, waiting costs the source nothing
    lines.progress("waiting for open transactions", 0, None, "steps")
    slot = stream.create_slot(job, seconds_max=_SLOT_SECONDS_MAX)
    brake = Brake()
    sparing.tie(brake)
    try:
        pipe = copy.Pipe(job, file, slot.snapshot, Throttle(job.limit_file, sparing=sparing), brake)
        facts = filling.fill(source, target, slot=slot, pipe=pipe, folder=folder, sparing=sparing)
    finally:
        slot.close()
    link.rows(source, "SELECT dcshift.take_turn(%s)", (job.token,))  # the copy took its time
    stream.subscribe(job, source, target)
    claim.set_phase(target, claim.FOLLOWING)
    return {**facts, "keyless_tables": list(keyless)}


def _waiting(what: str, unit: str) -> Callable[[str | None], None]:
    return lambda waits: lines.progress(what, 0, None, unit, waits=waits)


def catch_up(
    job: PostgresJob, source: Connection, target: Connection, sparing: Sparing | None = None
) -> dict[str, Json]:
    """Enable the stream and wait until the target is close; raises `StepFailed` when it does not come close."""
    stream.enable(job.name, job.publication, source, target)
    deadline = time.monotonic() + job.catch_up_seconds_max
    rate = lines.Rate()
    first = None
    errors = stream.apply_errors(target, job.name)
    while True:
        if sparing is not None:
            sparing.hold()
        lag = stream.lag(source, job.name)
        if lag is None or lag.lost:
            raise _stream_lost(job)
        first = lag.bytes if first is None else max(first, lag.bytes)
        lines.progress("catching up", first - lag.bytes, first, "bytes", rate.of(first - lag.bytes))
        if lag.bytes <= job.lag_bytes_max and stream.wait_for_mark(target, stream.mark(source), seconds_max=5.0):
            return {"lag_bytes": lag.bytes}
        if stream.apply_errors(target, job.name) > errors:
            changed = schema_changes.definitions(source, target)[:5]
            raise StepFailed(
                "changes-not-applied",
                what=f"the target does not apply the changes of {job.system}",
                why=f"definitions differ since the copy: {'; '.join(changed)}"
                if changed
                else "its apply worker failed; the server's log has the reason",
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
