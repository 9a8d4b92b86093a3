"""Carries files into a bucket, and reads a file again that changed while it was read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from migration.errors import StepFailed
from migration.movers import bucket_store
from migration.movers.bucket_store import CHUNK_BYTES, Digests, Listed, not_written
from migration.movers.files_index import Entry
from migration.movers.files_job import FilesJob
from migration.movers.files_names import key_of, shown
from migration.movers.throttle import Throttle

__all__ = ["Listed", "Store", "digests", "md5_of"]
_ATTEMPTS = 3


class Store(bucket_store.Store):
    """The bucket of one set of files."""

    def __init__(self, job: FilesJob, throttle: Throttle | None = None) -> None:
        super().__init__(job.opened, throttle, part_bytes=job.part_bytes)

    def put_file(self, path: bytes, full: Path) -> Entry:
        """Carry one file; read it again when it changed while it was read."""
        for _ in range(_ATTEMPTS):
            before = full.stat()
            entry = self._put(path, full, before)
            after = full.stat()
            if _identity(before) == _identity(after):
                return entry
        raise not_written(shown(path), "it changed during every one of three readings")

    def _put(self, path: bytes, full: Path, status: os.stat_result) -> Entry:
        key, part = key_of(path), None
        try:
            if status.st_size <= self._part_bytes:
                content = full.read_bytes()
                md5 = expected = hashlib.md5(content, usedforsecurity=False).hexdigest()
                etag = self.send(key, content)
            else:
                part = self._part_bytes
                md5, expected = digests(full, part)
                etag = self.send(key, _chunks(full))
        except StepFailed as refused:
            raise not_written(shown(path), refused.why) from refused
        if etag != expected:
            raise not_written(shown(path), f"the store answered ETag {etag}, the bytes sent have {expected}")
        return Entry(path, key, status.st_size, status.st_mtime_ns, status.st_mode & 0o7777, md5, etag, part)


def _chunks(full: Path) -> Iterator[bytes]:
    with full.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def digests(full: Path, part_bytes: int) -> tuple[str, str]:
    """Return the MD5 of a file, and the ETag that a store gives it when it is sent in parts of this size."""
    seen = Digests(part_bytes)
    for chunk in _chunks(full):
        seen.update(chunk)
    return seen.md5, seen.etag_in_parts()


def md5_of(full: Path) -> str:
    """Return the MD5 of a file."""
    with full.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
