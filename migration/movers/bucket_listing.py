"""Lists a bucket's keys exactly as the store has them; it neither leaves one out nor makes one look like another.

The client that carries our bytes takes slashes away from a key's ends, so that `a/` and `a` look alike, and one key
with `//` in it makes it list nothing at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from xml.etree import ElementTree  # a hostile store could be slow, which it can be anyway: expat bounds what grows

import httpx

from migration.movers.bucket_store import Listed, not_listed
from migration.movers.s3 import Bucket

_ATTEMPTS: Final = 5
_WAIT_SECONDS: Final = 0.2
_CONTROL = re.compile(r"&#(?:x([0-9a-fA-F]+)|([0-9]+));|([\x00-\x08\x0b-\x1f])")
_STAND_IN: Final = 0xF0000
"""XML has no place for control characters, and stores send them all the same: a plane of private use keeps theirs."""
_STOOD_IN = re.compile(f"[{chr(_STAND_IN)}-{chr(_STAND_IN + 31)}]")


def listing(bucket: Bucket) -> Iterator[Listed]:
    """Yield every object, in whatever order the store has; memory holds one page of a thousand keys.

    Raises `StepFailed` (store-not-listed) when the list is refused, cannot be read, or does not come to its end.
    """
    token: str | None = None
    while True:
        query = {"list-type": "2", "max-keys": "1000", **({"continuation-token": token} if token else {})}
        page = parsed(bucket, ask(bucket, query))
        for one in page.iterfind("{*}Contents"):
            yield _listed(bucket, one)
        if page.findtext("{*}IsTruncated") != "true":
            return
        following = page.findtext("{*}NextContinuationToken")
        if not following or following == token:
            raise not_listed(bucket.name, "it says that there is more, and not where")
        token = following


def ask(bucket: Bucket, query: Mapping[str, str], key: str = "") -> httpx.Response:
    """Ask a question that changes nothing, again when the store is busy or broke off; return what it answers at last.

    Raises `StepFailed` (store-not-listed) when no answer comes.
    """
    for attempt in range(_ATTEMPTS):
        try:
            answer = bucket.request("GET", key, query=query)
            if answer.status_code < 500 or answer.status_code == 501 or attempt == _ATTEMPTS - 1:
                return answer
        except httpx.HTTPError as failure:
            if attempt == _ATTEMPTS - 1:
                raise not_listed(bucket.name, f"{bucket.url}: {type(failure).__name__}: {failure}") from failure
        time.sleep(_WAIT_SECONDS * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def parsed(bucket: Bucket, answer: httpx.Response) -> ElementTree.Element:
    """Return the document of a good answer; raises `StepFailed` (store-not-listed) for any other."""
    if answer.status_code != 200:
        raise not_listed(bucket.name, f"{bucket.url}: HTTP {answer.status_code}: {answer.text[:300]}")
    try:
        return ElementTree.fromstring(_tame(answer.content.decode()))  # noqa: S314  see the import
    except (ElementTree.ParseError, UnicodeDecodeError) as bad:
        raise not_listed(bucket.name, f"{bucket.url}: its answer cannot be read: {bad}") from bad


def _listed(bucket: Bucket, one: ElementTree.Element) -> Listed:
    try:
        return Listed(
            key=text(one.findtext("{*}Key") or ""),
            size=int(one.findtext("{*}Size") or ""),
            etag=(one.findtext("{*}ETag") or "").strip('"'),
            modified=datetime.fromisoformat(one.findtext("{*}LastModified") or ""),
            storage_class=one.findtext("{*}StorageClass") or "STANDARD",
        )
    except ValueError as bad:
        raise not_listed(bucket.name, f"{bucket.url}: an object without a size or a time: {bad}") from bad


def text(content: str) -> str:
    """Return text of a parsed answer with the control characters that the store meant."""
    return _STOOD_IN.sub(lambda found: chr(ord(found[0]) - _STAND_IN), content)


def _tame(document: str) -> str:
    def instead(found: re.Match[str]) -> str:
        code = int(found[1], 16) if found[1] else int(found[2]) if found[2] else ord(found[3])
        return chr(_STAND_IN + code) if code < 32 else found[0]

    return _CONTROL.sub(instead, document)
