"""Writes and reads objects; a write counts only when the store's ETag equals the MD5 of the bytes that were sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from migration.errors import StepFailed
from migration.movers.files_index import Entry
from migration.movers.files_job import FilesJob
from migration.movers.files_names import key_of, shown
from migration.movers.throttle import Throttle

_ATTEMPTS = 3
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as the store lists it."""

    key: str
    size: int
    etag: str
    modified: datetime


class Store:
    """One bucket."""

    def __init__(self, job: FilesJob, throttle: Throttle | None = None) -> None:
        self._job, self._throttle = job, throttle or Throttle(None)
        self._store = S3Store(
            job.bucket,
            endpoint=job.endpoint,
            region=job.region,
            access_key_id=job.access_key,
            secret_access_key=job.secret_key.get_secret_value(),
            virtual_hosted_style_request=False,
            client_options={"allow_http": job.endpoint.startswith("http://"), "timeout": "60s"},
            retry_config={"max_retries": 5},
        )

    def put_file(self, path: bytes, full: Path) -> Entry:
        """Carry one file; read it again when it changed while it was read."""
        for _ in range(_ATTEMPTS):
            before = full.stat()
            entry = self._put(path, full, before)
            after = full.stat()
            if _identity(before) == _identity(after):
                return entry
        raise _failed(path, "it changed during every one of three readings")

    def _put(self, path: bytes, full: Path, status: os.stat_result) -> Entry:
        key, part = key_of(path), None
        if status.st_size <= self._job.part_bytes:
            content = full.read_bytes()
            md5 = expected = hashlib.md5(content, usedforsecurity=False).hexdigest()
            etag = self._send(path, key, content)
        else:
            part = self._job.part_bytes
            md5, expected = digests(full, part)
            etag = self._send(path, key, full)
        if etag != expected:
            raise _failed(path, f"the store answered ETag {etag}, the bytes sent have {expected}")
        return Entry(path, key, status.st_size, status.st_mtime_ns, status.st_mode & 0o7777, md5, etag, part)

    def _send(self, path: bytes, key: str, content: bytes | Path) -> str:
        try:
            if isinstance(content, bytes):
                self._throttle.take(len(content))
                result = obstore.put(self._store, key, content, use_multipart=False)
            else:
                part = self._job.part_bytes
                parts = self._paced(content)
                result = obstore.put(self._store, key, parts, use_multipart=True, chunk_size=part, max_concurrency=2)
        except (BaseError, OSError) as refused:
            raise _failed(path, str(refused)[:500]) from refused
        return (result["e_tag"] or "").strip('"')

    def _paced(self, full: Path) -> Iterator[bytes]:
        with full.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                self._throttle.take(len(chunk))
                yield chunk

    def put_bytes(self, key: str, content: bytes) -> None:
        """Write one object of ours."""
        if self._send(key.encode(), key, content) != hashlib.md5(content, usedforsecurity=False).hexdigest():
            raise _failed(key.encode(), "the store's ETag is not the MD5 of what was sent")

    def delete(self, keys: list[str]) -> None:
        """Delete objects; one that is gone already is no error."""
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except (NotFoundError, FileNotFoundError):
                continue
            except BaseError as refused:
                raise _failed(key.encode(), str(refused)[:500]) from refused

    def md5(self, key: str) -> str | None:
        """Read an object's content and return its MD5, or None when there is none."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK_BYTES):
                digest.update(chunk)
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as refused:
            raise _failed(key.encode(), str(refused)[:500]) from refused
        return digest.hexdigest()

    def head(self, key: str) -> Listed | None:
        """Return one object as the store describes it, or None when there is none."""
        try:
            one = obstore.head(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return None
        return Listed(one["path"], one["size"], (one["e_tag"] or "").strip('"'), one["last_modified"])

    def read(self, key: str) -> bytes | None:
        try:
            return obstore.get(self._store, key).bytes().to_bytes()
        except (NotFoundError, FileNotFoundError):
            return None

    def list(self) -> Iterator[Listed]:
        """Yield every object of the bucket."""
        try:
            for chunk in obstore.list(self._store, chunk_size=1000):
                for one in chunk:
                    tag = (one["e_tag"] or "").strip('"')
                    yield Listed(one["path"], one["size"], tag, one["last_modified"])
        except BaseError as refused:
            raise StepFailed(
                "store-not-listed",
                what=f"the bucket {self._job.bucket} could not be listed",
                why=str(refused)[:500],
                state="nothing was changed",
                next="dcshift check",
            ) from refused


def digests(full: Path, part_bytes: int) -> tuple[str, str]:
    """Return the MD5 of a file, and the ETag that a store gives it when it is sent in parts of this size."""
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with full.open("rb") as file:
        while first := file.read(min(_CHUNK_BYTES, part_bytes)):
            part, left = hashlib.md5(usedforsecurity=False), part_bytes
            chunk = first
            while chunk:
                part.update(chunk)
                whole.update(chunk)
                left -= len(chunk)
                chunk = file.read(min(_CHUNK_BYTES, left)) if left else b""
            parts.append(part.digest())
    etag = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return whole.hexdigest(), f"{etag}-{len(parts)}"


def md5_of(full: Path) -> str:
    """Return the MD5 of a file."""
    with full.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _failed(path: bytes, why: str) -> StepFailed:
    return StepFailed(
        "object-not-written",
        what=f"{shown(path)} was not carried to the bucket",
        why=why,
        state="the source was only read; what was carried before stays and is not carried again",
        next="mend the cause, then dcshift run",
    )
