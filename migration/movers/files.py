"""Carries one set of files into a bucket or a folder, in passes until one is small: `--job FILE` says which.

A pass may die at any moment: what was carried is found again by name, size and ETag. Nothing is ever written at the
source, and no object that was not carried by us is touched.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import replace

from migration.errors import MigrationError, StepFailed
from migration.model.words import Json
from migration.movers import (
    convergence,
    files_adopted,
    files_described,
    files_listing,
    files_source,
    folder,
    lines,
    locked,
    passes,
    programs,
    room,
)
from migration.movers.bucket_claim import FOLLOWING, Turn
from migration.movers.files_carrier import Carrier, OnDone
from migration.movers.files_claim import FilesTurn
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import Found
from migration.movers.files_names import key_of, shown
from migration.movers.files_store import Store
from migration.movers.folder_job import FolderJob
from migration.movers.host_load import HostLoad
from migration.movers.job import Words, given, text_of
from migration.movers.passes import Pass
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="python -m migration.movers.files", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    told = "; ".join(f"{verb}: {meaning}" for verb, meaning in folder.VERBS.items())
    words.add_argument("--do", choices=folder.VERBS, default="move", help=f"of a folder, a bucket is moved; {told}")
    words.add_argument("--frozen", action="store_true", help="with verify: nobody writes at the source")
    job: FilesJob | FolderJob | None = None
    try:
        said = words.parse_args(argv)
        job = given(said.job, read, words.prog)
        if isinstance(job, FolderJob):
            return folder.do(said.do, job, frozen=said.frozen)
        if said.do != "move":
            words.error(f"a bucket's job knows `move` alone; `{said.do}` of it is a part of dcshift run")
        lines.result(replicate(job))
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except (OSError, sqlite3.Error) as failure:
        if job is None or not room.is_full(failure):
            raise
        if isinstance(job, FilesJob):
            lines.error(files_source.full(job, str(failure)))
        else:
            lines.error(room.missing(job.staging, doing=f"the move of {job.system}/{job.name}"))
        return 1
    return 0


def read(where: str) -> FilesJob | FolderJob:
    """Read a job from a file, or from stdin for `-`; the one that names a folder has no bucket."""
    text = text_of(where)
    said = json.loads(text)
    is_folder = isinstance(said, dict) and "folder" in said
    return FolderJob.model_validate_json(text) if is_folder else FilesJob.model_validate_json(text)


def replicate(job: FilesJob) -> dict[str, Json]:
    """Carry in passes until one is small, or the next would be no smaller; return the facts."""
    began = time.monotonic()
    rate = lines.Rate()

    def on_done(done: int, total: int, _: int) -> None:
        lines.progress("files", done, total, "bytes", rate.of(done))

    with only_one(job), Sparing(job.source_limits_file, HostLoad(job)) as sparing:
        turn = FilesTurn(job)
        turn.take()
        files_source.assert_room(job)

        def one() -> Pass:
            lines.progress(files_source.READING, 0, None, "files")
            return carry(job, turn, frozen=False, on_done=on_done, sparing=sparing)

        made = passes.until_small(job, one)
        turn.set_phase(FOLLOWING)
        Index(job.staging).set_fact("phase", FOLLOWING)
    return passes.facts(job, made, time.monotonic() - began)


def carry(
    job: FilesJob, turn: Turn, *, frozen: bool, on_done: OnDone | None = None, sparing: Sparing | None = None
) -> Pass:
    """Make one pass: the source's changes into the staging tree, from there into the bucket."""
    began = time.monotonic()
    throttle = Throttle(None if frozen else job.limit_file)
    index, store = Index(job.staging), Store(job, throttle)
    since = time.time()
    index.set_fact("pass_began", str(since))
    index.set_fact("listed_at", None)  # what was listed before this pass says nothing about what it writes
    # Asked before it is carried: a linked folder that nobody decided about must not be missed in silence.
    listed = files_listing.look(job, frozen=frozen).carriable(job)
    listing_seconds = round(time.monotonic() - began, 3)
    files_source.pull(job, frozen=frozen, throttle=throttle, sparing=sparing)
    found = files_source.scan(job)
    if found and not listed.files and not files_listing.look(job, frozen=frozen).files:
        why = f"it lists no file where rsync brought {len(found)}"
        raise programs.unbelieved("find", why, doing=f"listing the files of {job.system}/{job.name}")
    known = index.entries()
    if not known and index.fact("adopted") is None:
        known = files_adopted.find(job, index, store, found)
    index.set_fact("adopted", "yes")
    wanted = [path for path, file in found.items() if path not in known or not _as_carried(known[path], file)]
    files_listing.assert_carriable(job, {path: found[path] for path in wanted})
    gone = [path for path in known if path not in found]
    at = Carrier(job, index, store, turn)
    at.upload(sorted(wanted, key=lambda path: -found[path].size), on_done)
    at.delete([known[path] for path in gone])
    files_described.record(job, index, listed, frozen=frozen)
    seconds = round(time.monotonic() - began, 3)
    size = sum(found[path].size for path in wanted)
    made = convergence.Round(since, listing_seconds, seconds, len(wanted) + len(gone), size)
    return Pass(len(found), len(wanted), size, len(gone), _shown(listed), seconds, convergence.note(index, made))


def carry_last(job: FilesJob, turn: Turn) -> Pass:
    """Make the last pass, under the freeze: ask the source alone what changed, and bring just that.

    It looks at no file of the staging tree that it does not bring, so it must follow a whole pass.
    """
    began = time.monotonic()
    index, store = Index(job.staging), Store(job)
    known = index.entries()
    seen = files_listing.look(job, frozen=True).decided(job)
    found = seen.files
    if known and not found:
        raise StepFailed(
            "source-files-vanished",
            what=f"the source of {job.system}/{job.name} lists no file at all",
            why=f"{job.source} had {len(known)} files at the pass before; a folder that was unmounted looks the same",
            state="nothing was removed from the bucket; undoing this step lets the source serve",
            next=f"look at {job.source}; if it is empty on purpose, replicate again before the cut",
        )
    wanted = [path for path, file in found.items() if path not in known or not _as_carried(known[path], file)]
    files_listing.assert_carriable(job, {path: found[path] for path in wanted})
    gone = [path for path in known if path not in found]
    index.set_fact("pass_began", str(time.time()))
    if wanted:
        files_source.pull_some(job, wanted)
    at = Carrier(job, index, store, turn)
    at.upload(wanted, None)
    at.delete([known[path] for path in gone])
    for path in gone:
        (job.tree / os.fsdecode(path)).unlink(missing_ok=True)
    files_described.record(job, index, seen, frozen=True)
    entries = index.entries()
    _assert_carried(job, entries, found)
    # A changed mode changes neither size nor time: nothing is carried for it, and the manifest must not keep the older.
    index.change(
        put=[replace(entries[path], mode=file.mode) for path, file in found.items() if entries[path].mode != file.mode]
    )
    size = sum(found[path].size for path in wanted)
    seconds = round(time.monotonic() - began, 3)
    touched = json.loads(index.fact("touched") or "[]") + [key_of(path) for path in (*wanted, *gone)]
    index.set_fact("touched", json.dumps(touched))
    return Pass(len(found), len(wanted), size, len(gone), _shown(seen), seconds)


def _shown(seen: files_listing.Seen) -> tuple[str, ...]:
    return tuple(sorted(map(shown, seen.others)))


def _as_carried(entry: Entry, file: Found) -> bool:
    return (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)


def _assert_carried(job: FilesJob, entries: dict[bytes, Entry], found: dict[bytes, Found]) -> None:
    odd = [path for path in found if path not in entries or not _as_carried(entries[path], found[path])]
    if odd or len(entries) != len(found):
        raise StepFailed(
            "file-not-carried",
            what=f"the last pass of {job.system}/{job.name} is not complete",
            why=f"{len(odd)} files are not as the source lists them: {', '.join(map(shown, odd[:3]))}",
            state="the source is frozen and unchanged; undoing this step lets it serve",
            next="dcshift run tries again after the way back",
        )


def only_one(job: FilesJob) -> AbstractContextManager[None]:
    """Keep a second mover of the same files out; raises `StepFailed` when there is one."""
    return locked.only_one(job.staging, f"{job.system}/{job.name}")


if __name__ == "__main__":
    raise SystemExit(main())
