"""One side of a move between buckets: reads an object with all that describes it, and writes it so; it judges nothing.

What a client cannot see is not carried: `NOT_CARRIED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import obstore
from obstore import Bytes
from obstore.exceptions import BaseError, NotFoundError

from migration.errors import StepFailed
from migration.movers import bucket_listing, bucket_store
from migration.movers.bucket_store import RANGE_BYTES, not_written
from migration.movers.objects_plan import Seen
from migration.movers.s3 import Bucket
from migration.movers.throttle import Throttle

NOT_CARRIED: Final = (
    "Expires and redirects of single objects, their access lists, storage class, encryption, retention and legal hold, "
    "older versions, time of writing"
)
_NONE_DESCRIBED: Final = ("Storage-Class",)  # of the source's store; another store may know no such class
_HEADERS: Final = ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type")
_META: Final = "x-amz-meta-"


class TagsUnread(Exception):  # noqa: N818  not our error: who asks decides what it means
    """The store does not say which tags an object has."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An object that is being read; its description is of the same moment as its content."""

    seen: Seen
    attributes: Mapping[str, str]
    pieces: Callable[[], Iterator[Bytes]]
    """Yields the content, once; raises `Changed`, and `StepFailed` (object-not-read) when it does not come whole."""

    def whole(self) -> bytes | Bytes:
        """Return the content in one piece; raises as `pieces` does."""
        pieces = list(self.pieces())
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class ObjectStore(bucket_store.Store):
    """One side."""

    def __init__(self, bucket: Bucket, side: str, throttle: Throttle | None = None, *, part_bytes: int) -> None:
        super().__init__(bucket, part_bytes=part_bytes)
        self.side, self._pace = side, throttle or Throttle(None)

    def open(self, key: str, size: int = 0, *, only_description: bool = False) -> Reading | None:
        """Begin to read an object that is about so large; None when there is none.

        Raises `StepFailed` (object-not-read).
        """
        if key.endswith("/"):
            return self._open_marker(key)
        # Of a large one the first request asks for no content: that comes in ranges.
        head = only_description or size > RANGE_BYTES
        if not head:
            self._pace.take(size)
        try:
            found = obstore.get(self._store, key, options={"head": head})
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as refused:
            raise self.not_read(key, str(refused)) from refused
        meta = found.meta
        if head and not only_description and meta["size"] <= RANGE_BYTES:
            return self.open(key, meta["size"])  # it became a small one since it was listed
        seen = Seen(meta["size"], (meta["e_tag"] or "").strip('"'), int(meta["last_modified"].timestamp()))
        attributes = {name: value for name, value in found.attributes.items() if name not in _NONE_DESCRIBED}

        def pieces() -> Iterator[Bytes]:
            try:
                yield from self.pieces(key, found, before=self._pace.take)
            except (BaseError, OSError) as broken:
                raise self.not_read(key, str(broken)) from broken

        return Reading(seen, attributes, pieces)

    def seen(self, key: str) -> Seen | None:
        """Return an object as the store describes it now, or None when there is none."""
        found = self.open(key, only_description=True)
        return found.seen if found else None

    def tags(self, key: str) -> dict[str, str]:
        """Return an object's tags; raises `TagsUnread` when the store does not say, `StepFailed` when none answers."""
        answer = bucket_listing.ask(self._bucket, {"tagging": ""}, key)
        if answer.status_code == 404:
            return {}
        if answer.status_code != 200:
            raise TagsUnread(f"HTTP {answer.status_code}: {answer.text[:200]}")
        document = bucket_listing.parsed(self._bucket, answer)
        pairs = ((one.findtext("{*}Key"), one.findtext("{*}Value")) for one in document.iterfind(".//{*}Tag"))
        return {bucket_listing.text(name or ""): bucket_listing.text(value or "") for name, value in pairs}

    def write(
        self,
        key: str,
        content: bytes | Bytes | Iterable[bytes | Bytes],
        attributes: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> str:
        """Write an object with all that describes it; return the ETag that the store answers."""
        if not key.endswith("/"):
            return self.send(key, content, attributes=attributes, tags=tags)
        headers = {name if name in _HEADERS else f"{_META}{name}": value for name, value in attributes.items()}
        if tags:
            headers["x-amz-tagging"] = str(httpx.QueryParams(dict(tags)))
        answer = self._ask("PUT", key, headers)
        if answer.status_code != 200:
            raise not_written(key, f"HTTP {answer.status_code}: {answer.text[:300]}")
        return str(answer.headers.get("etag", "")).strip('"')

    def remove(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is gone already is no error."""
        for key in keys:
            if not key.endswith("/"):
                self.delete([key])
            elif (answer := self._ask("DELETE", key, {})).status_code not in (200, 204, 404):
                raise not_written(key, f"HTTP {answer.status_code}: {answer.text[:300]}")

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield key and upload of each object whose parts were never put together: a killed mover's, or somebody's."""
        document = bucket_listing.parsed(self._bucket, bucket_listing.ask(self._bucket, {"uploads": ""}))
        for one in document.iterfind("{*}Upload"):
            yield bucket_listing.text(one.findtext("{*}Key") or ""), one.findtext("{*}UploadId") or ""

    def end_upload(self, key: str, upload: str) -> None:
        """Throw the parts of an unfinished object away; one that is gone already is no error."""
        answer = self._ask("DELETE", key, {}, {"uploadId": upload})
        if answer.status_code not in (200, 204, 404):
            raise not_written(key, f"parts of a killed mover stay: HTTP {answer.status_code}: {answer.text[:300]}")

    def _open_marker(self, key: str) -> Reading | None:
        """Read an empty object whose key ends in a slash, which obstore cannot say."""
        answer = self._ask("HEAD", key, {})
        if answer.status_code == 404:
            return None
        if answer.status_code != 200 or int(answer.headers.get("content-length", 0)):
            raise self.not_read(key, f"HTTP {answer.status_code}, {answer.headers.get('content-length')} bytes")
        attributes = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
        attributes |= {
            name.removeprefix(_META): value for name, value in answer.headers.items() if name.startswith(_META)
        }
        try:
            modified = int(parsedate_to_datetime(answer.headers["last-modified"]).timestamp())
        except (KeyError, ValueError) as bad:
            raise self.not_read(key, f"it does not say when it was written: {bad}") from bad
        seen = Seen(0, str(answer.headers.get("etag", "")).strip('"'), modified)
        return Reading(seen, attributes, lambda: iter(()))

    def _ask(
        self, method: str, key: str, headers: Mapping[str, str], query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._bucket.request(method, key, query=query, headers=headers)
        except httpx.HTTPError as failure:
            why = f"{type(failure).__name__}: {failure}"
            raise (self.not_read(key, why) if method == "HEAD" else not_written(key, why)) from failure

    def not_read(self, key: str, why: str) -> StepFailed:
        """Return the error of an object whose bytes did not come from this side."""
        return bucket_store.not_read(key, self._bucket, why, side=self.side)
