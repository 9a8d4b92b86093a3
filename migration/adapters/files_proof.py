"""Compares one set of files with its bucket: names, sizes, hashes, and on demand every byte on both sides."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from migration.adapters import files_at_source
from migration.errors import MigrationError
from migration.model.words import Json, Proof
from migration.movers import files_described, files_source
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_names import HANDED_OVER, path_of, shown
from migration.movers.files_store import Listed, Store, md5_of

# A host's clock may be off by some seconds; a file changed this long before the last pass must have been carried by it.
_CLOCKS = timedelta(seconds=10)
_REPEATS = 3
_DIFFERENCES_MAX = 20
_NAMED_MAX = 3
_LISTED_SECONDS_MAX = 600.0
_EQUAL, _DIFFERS, _GONE, _WRITTEN = "equal", "differs", "gone", "written"


@dataclass(slots=True)
class Compared:
    """What the comparison of one set saw."""

    files: int = 0
    bytes: int = 0
    read_back: int = 0
    listed: int = 0
    asked_for: int = 0
    """Objects asked for one by one, when the whole bucket was listed shortly before the freeze."""
    changed_meanwhile: int = 0
    """Files that the source changed after the last pass: the next pass carries them."""
    written_since: int = 0
    """Objects that the target wrote after it was released."""
    deleted_since: list[str] = field(default_factory=list)
    """Files that were seen in the bucket before the release and are gone from it now."""
    differences: list[str] = field(default_factory=list)
    attributes_unread: str | None = None
    """Why extended attributes and ACLs were not compared under the freeze."""


def compare(job: FilesJob, *, frozen: bool, full: bool, now: float) -> Compared:
    """Compare source with staging, and staging with the bucket, at the same time.

    After the release the bucket is what citizens change. A file that is not there any more was lost in the move if the
    proof under the freeze had not seen it there; if it had, somebody deleted it since, or the store lost it. No store
    tells these two apart without versions, so such files are no difference but a warning that names them. It is given
    only while our own marker lies in the bucket, which no application touches: who empties a bucket takes it along.
    """
    seen = Compared()
    with ThreadPoolExecutor(2) as pool:
        if frozen and not full:
            source = pool.submit(lambda: (0, files_at_source.changed(job)))
        else:
            source = pool.submit(_with_source, job, frozen=frozen, full=full)
        recent = frozen and not full and _is_recent(job, now)
        target = pool.submit(_with_bucket, job, seen, full=full, recent=recent, released=frozen and full)
        target.result()
        seen.changed_meanwhile, differences = source.result()
    seen.differences = differences + seen.differences
    seen.attributes_unread = Index(job.staging).fact(files_described.UNREAD) if frozen else None
    if frozen and not full:
        # Under the freeze every object was looked at: in the list shortly before it, or one by one since.
        Index(job.staging).set_fact("seen_at_target", None if seen.differences else str(now))
    return seen


def _is_recent(job: FilesJob, now: float) -> bool:
    return 0 <= now - float(Index(job.staging).fact("listed_at") or 0) < _LISTED_SECONDS_MAX


def bucket_as_indexed(job: FilesJob) -> bool:
    """Say whether the bucket's own list holds exactly what was carried."""
    seen = Compared()
    _with_bucket(job, seen, full=False, recent=False, released=False)
    return not seen.differences


def _with_source(job: FilesJob, *, frozen: bool, full: bool) -> tuple[int, list[str]]:
    """Compare with the source. While it is in use a file may change under our eyes: what is odd is looked at again."""
    pass_began = datetime.fromtimestamp(float(Index(job.staging).fact("pass_began") or 0), UTC)
    odd = files_source.compare(job, content=full)
    if frozen:
        # rsync compares with the staging tree, into which a mode alone is not brought; the index has it.
        return 0, [f"file {one.name}: {one.what}" for one in odd] + files_at_source.not_brought(job)

    def settled(one: files_source.Odd) -> bool:
        return one.modified is not None and one.modified < pass_began - _CLOCKS

    for _ in range(_REPEATS):
        if not any(settled(one) for one in odd):
            break
        again = {(one.name, one.what) for one in files_source.compare(job, content=full)}
        odd = [one for one in odd if (one.name, one.what) in again or not settled(one)]
    differences = [f"file {one.name}: {one.what}" for one in odd if settled(one)]
    return len(odd) - len(differences), differences


def _with_bucket(job: FilesJob, seen: Compared, *, full: bool, recent: bool, released: bool) -> None:
    """Compare with the bucket: by its whole list, or, when it was listed just now, by what was touched since."""
    store, index = Store(job), Index(job.staging)
    entries = index.entries()
    seen.files, seen.bytes = len(entries), sum(entry.size for entry in entries.values())
    asked = list(entries.values())
    if recent:
        touched = sorted({*json.loads(index.fact("touched") or "[]"), HANDED_OVER})
        with ThreadPoolExecutor(job.workers) as pool:
            listed = {one.key: one for one in pool.map(store.head, touched) if one is not None}
        asked = [entry for entry in asked if entry.key in touched]
        seen.asked_for = len(touched)
    else:
        listed = {one.key: one for one in store.list()}
        seen.listed = len(listed)
    handed_over = listed[HANDED_OVER].modified if HANDED_OVER in listed else None
    since = handed_over if index.fact("phase") == "handed-over" else None
    were_seen = released and since is not None and index.fact("seen_at_target") is not None
    equal: list[Entry] = []
    for entry in asked:
        one = listed.get(entry.key)
        if one is None and were_seen:
            seen.deleted_since.append(shown(entry.path))
        elif one is None:
            seen.differences.append(f"file {shown(entry.path)}: missing in the bucket")
        elif (one.size, one.etag) == (entry.size, entry.etag):
            equal.append(entry)
        elif since is not None and one.modified > since:
            seen.written_since += 1
        else:
            what = (
                f"size {one.size:,} in the bucket, {entry.size:,} here" if one.size != entry.size else "other content"
            )
            seen.differences.append(f"file {shown(entry.path)}: {what} in the bucket (by ETag)")
    keys = {entry.key for entry in entries.values()}
    _extra(seen, [one for one in listed.values() if one.key not in keys], since)
    if full:
        _read_back(job, store, equal, seen, since if were_seen else None)


def _extra(seen: Compared, extra: list[Listed], handed_over: datetime | None) -> None:
    for one in extra:
        if path_of(one.key) is None:
            continue
        if handed_over is not None and one.modified >= handed_over:
            seen.written_since += 1
        else:
            seen.differences.append(f"object {one.key}: only in the bucket")


def _read_back(job: FilesJob, store: Store, entries: list[Entry], seen: Compared, since: datetime | None) -> None:
    """Hash every object and every staged file again; what was remembered is no evidence.

    `since`: after the release an object may be written or deleted between the list and its reading.
    """

    def one(entry: Entry) -> str:
        full = job.tree / os.fsdecode(entry.path)
        here = md5_of(full) if full.is_file() else None
        if here == store.md5(entry.key) == entry.md5:
            return _EQUAL
        if since is None or here != entry.md5:
            return _DIFFERS
        now = store.head(entry.key)
        if now is None:
            return _GONE
        return _WRITTEN if now.modified > since and now.etag != entry.etag else _DIFFERS

    with ThreadPoolExecutor(job.workers) as pool:
        answers = list(pool.map(one, entries))
    for entry, answer in zip(entries, answers, strict=True):
        if answer == _GONE:
            seen.deleted_since.append(shown(entry.path))
        elif answer == _WRITTEN:
            seen.written_since += 1
        elif answer == _DIFFERS:
            seen.differences.append(f"file {shown(entry.path)}: content differs (read back)")
    seen.read_back = len(entries)


def prove(jobs: Iterable[FilesJob], *, frozen: bool, full: bool, now: float) -> Proof:
    """Compare every set, and say in one sentence what is equal; objects gone since the release are a warning."""
    figures: dict[str, Json] = {}
    differences: list[str] = []
    gone: list[str] = []
    unread: list[str] = []
    total = bytes_total = 0
    for job in jobs:
        try:
            seen = compare(job, frozen=frozen, full=full, now=now)
        except (MigrationError, OSError) as failure:
            # A check that could not run is a failure, never a silence.
            why = failure.why if isinstance(failure, MigrationError) else str(failure)
            differences.append(f"{job.name}: the comparison could not be made: {why}")
            continue
        total, bytes_total = total + seen.files, bytes_total + seen.bytes
        differences += seen.differences
        of_set: dict[str, Json] = {
            "files": seen.files,
            "bytes": seen.bytes,
            "read_back": seen.read_back,
            "listed": seen.listed,
            "asked_for": seen.asked_for,
            "changed_meanwhile": seen.changed_meanwhile,
            "written_since": seen.written_since,
            "deleted_since": len(seen.deleted_since),
        }
        if seen.attributes_unread:
            of_set["attributes_not_read"] = seen.attributes_unread
            unread.append(job.name)
        figures[job.name] = of_set
        gone += sorted(seen.deleted_since)
    figures |= {"files": total, "bytes": bytes_total, "differences": len(differences)}
    how = "every byte read back" if full else "names, sizes and hashes"
    sentence = f"{total:,} files with {bytes_total:,} bytes are equal ({how})"
    if gone:
        figures["deleted_since_names"] = list(gone[:_DIFFERENCES_MAX])
        named = ", ".join(gone[:_NAMED_MAX]) + (" and others" if len(gone) > _NAMED_MAX else "")
        were, are = ("was", "is") if len(gone) == 1 else ("were", "are")
        sentence = (
            f"{total - len(gone):,} of {total:,} files are equal ({how}); warning: {len(gone):,} {were} in the "
            f"bucket at the release and {are} gone since: {named}"
        )
    if unread:
        sentence += f"; extended attributes could not be read: {', '.join(unread)}"
    if differences:
        sentence = f"{len(differences)} files differ"
    return Proof("files", not differences, sentence, figures, tuple(differences[:_DIFFERENCES_MAX]))
