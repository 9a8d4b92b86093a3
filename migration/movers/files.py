"""Carries one set of files into a bucket, in passes until one is small: `python -m migration.movers.files --job FILE`.

A pass may die at any moment: what was carried is found again by name, size and ETag. Nothing is ever written at the
source, and no object that was not carried by us is touched.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from migration.errors import MigrationError, StepFailed
from migration.model.words import Json
from migration.movers import files_job, files_source, lines, locked, programs, room
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_names import MANIFEST, key_of, path_of, shown
from migration.movers.files_store import Listed, Store, digests, md5_of
from migration.movers.host_load import HostLoad
from migration.movers.job import Words, given
from migration.movers.sparing import Sparing
from migration.movers.spread import memory_bytes_most, spread
from migration.movers.throttle import Throttle

_RECORD_EVERY = 500
OnDone = Callable[[int, int, int], None]
"""Called with bytes done, bytes in all, files done."""


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="python -m migration.movers.files", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    job = None
    try:
        job = given(words.parse_args(argv).job, files_job.read, words.prog)
        lines.result(replicate(job))
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except (OSError, sqlite3.Error) as failure:
        if job is None or not room.is_full(failure):
            raise
        lines.error(files_source.full(job, str(failure)))
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did."""

    files: int
    carried: int
    carried_bytes: int
    deleted: int
    others: tuple[str, ...]
    """What lies in the tree, is no file, and was left behind by decision: named, never silently left."""
    seconds: float


def replicate(job: FilesJob) -> dict[str, Json]:
    """Carry in passes until one is small; return the facts."""
    began = time.monotonic()
    rate = lines.Rate()

    def on_done(done: int, total: int, _: int) -> None:
        lines.progress("files", done, total, "bytes", rate.of(done))

    with only_one(job), Sparing(job.source_limits_file, HostLoad(job)) as sparing:
        passes = []
        files_source.assert_room(job)
        for _ in range(job.passes_max):
            lines.progress(files_source.READING, 0, None, "files")
            passes.append(carry(job, frozen=False, on_done=on_done, sparing=sparing))
            if passes[-1].carried + passes[-1].deleted <= job.small_pass_files:
                break
        Index(job.staging).set_fact("phase", "following")
    return {
        "passes": len(passes),
        "files": passes[-1].files,
        "carried": sum(one.carried for one in passes),
        "carried_bytes": sum(one.carried_bytes for one in passes),
        "last_pass_files": passes[-1].carried,
        "last_pass_seconds": passes[-1].seconds,
        "not_files": list(passes[-1].others[:20]),
        "memory_bytes_most": memory_bytes_most(),
        "seconds": round(time.monotonic() - began, 1),
    }


def carry(job: FilesJob, *, frozen: bool, on_done: OnDone | None = None, sparing: Sparing | None = None) -> Pass:
    """Make one pass: the source's changes into the staging tree, from there into the bucket."""
    began = time.monotonic()
    throttle = Throttle(None if frozen else job.limit_file)
    index, store = Index(job.staging), Store(job, throttle)
    index.set_fact("pass_began", str(time.time()))
    index.set_fact("listed_at", None)  # what was listed before this pass says nothing about what it writes
    # Asked before it is carried: a linked folder that nobody decided about must not be missed in silence.
    listed, others = files_source.listed(job, frozen=frozen)
    files_source.pull(job, frozen=frozen, throttle=throttle, sparing=sparing)
    found = files_source.scan(job)
    if found and not listed and not files_source.listing(job, frozen=frozen):
        why = f"it lists no file where rsync brought {len(found)}"
        raise programs.unbelieved("find", why, doing=f"listing the files of {job.system}/{job.name}")
    known = index.entries()
    if not known and index.fact("adopted") is None:
        known = _adopt(job, index, store, found)
    index.set_fact("adopted", "yes")
    wanted = [path for path, file in found.items() if path not in known or not _as_carried(known[path], file)]
    _assert_names(wanted)
    gone = [path for path in known if path not in found]
    _upload(job, index, store, sorted(wanted, key=lambda path: -found[path].size), on_done)
    if gone:
        store.delete([known[path].key for path in gone])
        index.change(drop=gone)
    seconds = round(time.monotonic() - began, 3)
    size = sum(found[path].size for path in wanted)
    return Pass(len(found), len(wanted), size, len(gone), tuple(sorted(map(shown, others))), seconds)


def carry_last(job: FilesJob) -> Pass:
    """Make the last pass, under the freeze: ask the source alone what changed, and bring just that.

    It looks at no file of the staging tree that it does not bring, so it must follow a whole pass.
    """
    began = time.monotonic()
    index, store = Index(job.staging), Store(job)
    known = index.entries()
    found, others = files_source.listed(job)
    index.set_fact("left_behind", json.dumps({shown(path): kind for path, kind in sorted(others.items())}))
    if known and not found:
        raise StepFailed(
            "source-files-vanished",
            what=f"the source of {job.system}/{job.name} lists no file at all",
            why=f"{job.source} had {len(known)} files at the pass before; a folder that was unmounted looks the same",
            state="nothing was removed from the bucket; undoing this step lets the source serve",
            next=f"look at {job.source}; if it is empty on purpose, replicate again before the cut",
        )
    wanted = [path for path, file in found.items() if path not in known or not _as_carried(known[path], file)]
    _assert_names(wanted)
    gone = [path for path in known if path not in found]
    index.set_fact("pass_began", str(time.time()))
    if wanted:
        files_source.pull_some(job, wanted)
    _upload(job, index, store, wanted, None)
    if gone:
        store.delete([known[path].key for path in gone])
        index.change(drop=gone)
        for path in gone:
            (job.tree / os.fsdecode(path)).unlink(missing_ok=True)
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
    return Pass(len(found), len(wanted), size, len(gone), tuple(sorted(map(shown, others))), seconds)


def _as_carried(entry: Entry, file: files_source.Found) -> bool:
    return (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)


def _assert_carried(job: FilesJob, entries: dict[bytes, Entry], found: dict[bytes, files_source.Found]) -> None:
    odd = [path for path in found if path not in entries or not _as_carried(entries[path], found[path])]
    if odd or len(entries) != len(found):
        raise StepFailed(
            "file-not-carried",
            what=f"the last pass of {job.system}/{job.name} is not complete",
            why=f"{len(odd)} files are not as the source lists them: {', '.join(map(shown, odd[:3]))}",
            state="the source is frozen and unchanged; undoing this step lets it serve",
            next="dcshift run tries again after the way back",
        )


def _upload(job: FilesJob, index: Index, store: Store, wanted: list[bytes], on_done: OnDone | None) -> None:
    done_bytes = done_files = 0
    fresh: list[Entry] = []
    files = {path: job.tree / os.fsdecode(path) for path in wanted}
    total = sum(full.lstat().st_size for full in files.values()) if on_done is not None else 0
    said = time.monotonic()

    def take(entry: Entry) -> None:
        nonlocal done_bytes, done_files, said
        fresh.append(entry)
        done_bytes, done_files = done_bytes + entry.size, done_files + 1
        if len(fresh) >= _RECORD_EVERY:
            index.change(put=fresh)
            fresh.clear()
        if on_done is not None and time.monotonic() - said > 1.0:
            said = time.monotonic()
            on_done(done_bytes, total, done_files)

    workers = min(job.workers, max(len(wanted), 1))
    try:
        spread(files.items(), lambda one: store.put_file(*one), workers=workers, on_done=take)
    finally:
        index.change(put=fresh)


def _adopt(job: FilesJob, index: Index, store: Store, found: dict[bytes, files_source.Found]) -> dict[bytes, Entry]:
    """Find again what an earlier mover carried whose index was lost: the same name, size and content hash."""
    objects = {listed.key: listed for listed in store.list() if path_of(listed.key) is not None}
    if not objects:
        return {}
    adopted = []
    for path, file in found.items():
        listed = objects.get(key_of(path)) if _nameable(path) else None
        if listed is not None and listed.size == file.size:
            entry = _same(job, path, file, listed)
            adopted += [entry] if entry is not None else []
    index.change(put=adopted)
    return {entry.path: entry for entry in adopted}


def _same(job: FilesJob, path: bytes, file: files_source.Found, listed: Listed) -> Entry | None:
    full = job.tree / os.fsdecode(path)
    part = job.part_bytes if file.size > job.part_bytes else None
    md5, etag = digests(full, job.part_bytes) if part else (md5_of(full),) * 2
    if listed.etag != etag:
        return None
    return Entry(path, listed.key, file.size, file.mtime_ns, file.mode, md5, etag, part)


def _nameable(path: bytes) -> bool:
    try:
        key_of(path)
    except ValueError:
        return False
    return True


def _assert_names(paths: list[bytes]) -> None:
    if bad := [shown(path) for path in paths if not _nameable(path)]:
        raise StepFailed(
            "name-too-long",
            what=f"{len(bad)} files have names that no object can have",
            why=f"a key has 1024 bytes at most: {', '.join(name[:80] for name in bad[:3])}",
            state="nothing of this pass was carried",
            next="shorten these names at the source, then dcshift run",
        )


def write_manifest(job: FilesJob) -> str:
    """Write the list of all files into the bucket: what S3 does not keep (time, mode) and what it must match."""
    entries = sorted(Index(job.staging).entries().values(), key=lambda entry: entry.path)
    text = "".join(
        json.dumps(
            {
                "path": shown(e.path),
                "key": e.key,
                "size": e.size,
                "mtime_ns": e.mtime_ns,
                "mode": f"{e.mode:04o}",
                "md5": e.md5,
                "part_bytes": e.part_bytes,
            },
            ensure_ascii=False,
        )
        + "\n"
        for e in entries
    )
    left = json.loads(Index(job.staging).fact("left_behind") or "{}")
    text += "".join(json.dumps({"path": p, "left_behind": k}, ensure_ascii=False) + "\n" for p, k in left.items())
    Store(job).put_bytes(MANIFEST, text.encode())
    return MANIFEST


def only_one(job: FilesJob) -> AbstractContextManager[None]:
    """Keep a second mover of the same files out; raises `StepFailed` when there is one."""
    return locked.only_one(job.staging, f"{job.system}/{job.name}")


if __name__ == "__main__":
    raise SystemExit(main())
