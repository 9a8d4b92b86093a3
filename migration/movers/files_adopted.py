"""Finds in a bucket what an earlier mover carried there and nobody remembers; it sends nothing."""

from __future__ import annotations

import os

from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import Found
from migration.movers.files_names import is_nameable, key_of, path_of
from migration.movers.files_store import Listed, Store, digests, md5_of


def find(job: FilesJob, index: Index, store: Store, found: dict[bytes, Found]) -> dict[bytes, Entry]:
    """Find again what an earlier mover carried whose index was lost: the same name, size and content hash."""
    objects = {listed.key: listed for listed in store.list() if path_of(listed.key) is not None}
    if not objects:
        return {}
    adopted = []
    for path, file in found.items():
        listed = objects.get(key_of(path)) if is_nameable(path) else None
        if listed is not None and listed.size == file.size:
            entry = _same(job, path, file, listed)
            adopted += [entry] if entry is not None else []
    index.change(put=adopted)
    return {entry.path: entry for entry in adopted}


def _same(job: FilesJob, path: bytes, file: Found, listed: Listed) -> Entry | None:
    full = job.tree / os.fsdecode(path)
    part = job.part_bytes if file.size > job.part_bytes else None
    md5, etag = digests(full, job.part_bytes) if part else (md5_of(full),) * 2
    if listed.etag != etag:
        return None
    return Entry(path, listed.key, file.size, file.mtime_ns, file.mode, md5, etag, part)
