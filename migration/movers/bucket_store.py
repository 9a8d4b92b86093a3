"""Writes and reads objects of one bucket; a write counts only when the store's ETag equals the MD5 of what was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import obstore
from obstore import Bytes
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store

from migration.errors import StepFailed
from migration.movers.s3 import Bucket
from migration.movers.throttle import Throttle

if TYPE_CHECKING:
    from obstore import GetResult, PutMode

CHUNK_BYTES: Final = 1024 * 1024
RANGE_BYTES: Final = 8 * 1024 * 1024
"""What one request reads at most."""
PART_BYTES: Final = 16 * 1024 * 1024
"""Larger objects are sent in parts of this size, where a mover is not told another."""
PARTS_AT_ONCE: Final = 2
REQUEST_SECONDS_MAX: Final = 60.0
"""How long one request may take with all of its body: a store that accepts and is silent is not waited for longer."""
RETRIES_MAX: Final = 5
RETRY_SECONDS_MAX: Final = 180.0
"""What can be asked twice without harm is asked again, so often at most, and not any more after this time."""


class Changed(Exception):  # noqa: N818  not our error: who reads begins again
    """The object is not the one any more that was begun to be read."""


class BrokenOffError(OSError):
    """Fewer bytes came than the store had promised."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as the store lists it."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"


class Store:
    """One bucket."""

    def __init__(self, bucket: Bucket, throttle: Throttle | None = None, *, part_bytes: int = PART_BYTES) -> None:
        self._bucket, self._throttle, self._part_bytes = bucket, throttle or Throttle(None), part_bytes
        self._store = S3Store(
            bucket.name,
            endpoint=bucket.endpoint,
            region=bucket.region,
            access_key_id=bucket.access_key,
            secret_access_key=bucket.secret_key,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "timeout": f"{REQUEST_SECONDS_MAX * 1000:.0f}ms",
            },
            retry_config={"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=RETRY_SECONDS_MAX)},
        )

    def send(
        self,
        key: str,
        content: bytes | Bytes | Iterable[bytes | Bytes],
        *,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        mode: PutMode | None = None,
    ) -> str:
        """Write one object, in parts unless it is given whole; return the ETag that the store answers."""
        described: dict[str, Any] = {"attributes": dict(attributes or {}) or None, "tags": dict(tags or {}) or None}
        try:
            if isinstance(content, bytes | Bytes):
                self._throttle.take(len(content))
                result = obstore.put(self._store, key, content, use_multipart=False, mode=mode, **described)
            else:
                result = obstore.put(
                    self._store,
                    key,
                    self._paced(content),
                    use_multipart=True,
                    chunk_size=self._part_bytes,
                    max_concurrency=PARTS_AT_ONCE,
                    **described,
                )
        except (BaseError, OSError) as refused:
            raise not_written(key, str(refused)[:500]) from refused
        return (result["e_tag"] or "").strip('"')

    def _paced(self, chunks: Iterable[bytes | Bytes]) -> Iterator[bytes | Bytes]:
        for chunk in chunks:
            self._throttle.take(len(chunk))
            yield chunk

    def put_bytes(self, key: str, content: bytes) -> None:
        """Write one object of ours."""
        if self.send(key, content) != hashlib.md5(content, usedforsecurity=False).hexdigest():
            raise not_written(key, "the store's ETag is not the MD5 of what was sent")

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is gone already is no error."""
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except (NotFoundError, FileNotFoundError):
                continue
            except (BaseError, OSError) as refused:
                raise not_written(key, str(refused)[:500]) from refused

    def pieces(self, key: str, found: GetResult, *, before: Callable[[int], None] = lambda _: None) -> Iterator[Bytes]:
        """Yield the content of an object whose reading was begun; `before` is told how many bytes come next.

        A large one is read in ranges, each on condition that the object is still the same: one request has to end
        within the client's time limit, which a large object on a slow or throttled line would not.
        Raises `Changed`, and what obstore raises; `BrokenOffError` when fewer bytes come than were promised.
        """
        size, tag = found.meta["size"], found.meta["e_tag"]
        if size <= RANGE_BYTES:
            yield _whole(found, size)
            return
        for start in range(0, size, RANGE_BYTES):
            end = min(start + RANGE_BYTES, size)
            before(end - start)
            try:
                part = obstore.get(self._store, key, options={"range": (start, end), "if_match": tag})
            except (NotFoundError, FileNotFoundError, PreconditionError) as gone:
                raise Changed(key) from gone
            if part.meta["e_tag"] != tag:  # a store that does not know the condition
                raise Changed(key)
            yield _whole(part, end - start)

    def md5(self, key: str) -> str | None:
        """Read an object's content and return its MD5, or None when there is none; of no content if it changes."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            for piece in self.pieces(key, obstore.get(self._store, key)):
                digest.update(piece)
        except (NotFoundError, FileNotFoundError):
            return None
        except Changed:
            return "changed while it was read"
        except (BaseError, OSError) as refused:
            raise not_written(key, str(refused)[:500]) from refused
        return digest.hexdigest()

    def head(self, key: str) -> Listed | None:
        """Return one object as the store describes it, or None when there is none.

        Raises `StepFailed` (object-not-read), as `read` does.
        """
        try:
            one = obstore.head(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as refused:
            raise not_read(key, self._bucket, str(refused)) from refused
        return Listed(one["path"], one["size"], (one["e_tag"] or "").strip('"'), one["last_modified"])

    def read(self, key: str) -> bytes | None:
        """Return an object's content, or None when there is none."""
        try:
            return obstore.get(self._store, key).bytes().to_bytes()
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as refused:
            raise not_read(key, self._bucket, str(refused)) from refused

    def list(self) -> Iterator[Listed]:
        """Yield every object of a bucket that only we write into: its keys are those that this client can say."""
        try:
            for chunk in obstore.list(self._store, chunk_size=1000):
                for one in chunk:
                    tag = (one["e_tag"] or "").strip('"')
                    yield Listed(one["path"], one["size"], tag, one["last_modified"])
        except (BaseError, OSError) as refused:
            raise not_listed(self._bucket.name, str(refused)[:500]) from refused


def _whole(found: GetResult, size: int) -> Bytes:
    content = found.bytes()
    if len(content) != size:
        raise BrokenOffError(f"{len(content):,} of {size:,} bytes came")
    return content


class Digests:
    """Hashes what passes: the MD5 of the whole, and the ETag that a store gives it when sent in parts of this size."""

    def __init__(self, part_bytes: int) -> None:
        self._whole, self._part = _md5(), _md5()
        self._parts: list[bytes] = []
        self._part_bytes = self._left = part_bytes
        self.bytes = 0

    def update(self, chunk: bytes | Bytes) -> None:
        """Take the next bytes."""
        self._whole.update(chunk)
        self.bytes += len(chunk)
        view = memoryview(chunk)
        while view:
            now = view[: self._left]
            self._part.update(now)
            self._left -= len(now)
            view = view[len(now) :]
            if not self._left:
                self._end_part()

    def _end_part(self) -> None:
        self._parts.append(self._part.digest())
        self._part, self._left = _md5(), self._part_bytes

    @property
    def md5(self) -> str:
        return str(self._whole.hexdigest())

    def etag_in_parts(self) -> str:
        """Return the ETag of all that has passed, sent in parts."""
        parts = [*self._parts, *([self._part.digest()] if self._left < self._part_bytes else [])]
        return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)


def not_listed(bucket: str, why: str) -> StepFailed:
    """Return the error of a bucket that does not say what it holds."""
    return StepFailed(
        "store-not-listed",
        what=f"the bucket {bucket} could not be listed",
        why=why,
        state="nothing was changed",
        next="dcshift check",
    )


def not_written(shown: str, why: str) -> StepFailed:
    """Return the error of an object that is not in the bucket as it was sent."""
    return StepFailed(
        "object-not-written",
        what=f"{shown} was not carried to the bucket",
        why=why,
        state="the source was only read; what was carried before stays and is not carried again",
        next="mend the cause, then dcshift run",
    )


def not_read(shown: str, bucket: Bucket, why: str, *, side: str = "bucket") -> StepFailed:
    """Return the error of an object whose bytes did not come."""
    return StepFailed(
        "object-not-read",
        what=f"{shown} could not be read from the {side}",
        why=f"{bucket.url}: {why[:500]}",
        state="no object was left half written; what was carried before stays and is not carried again",
        next="mend the cause, then the same command goes on",
    )
