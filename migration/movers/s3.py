"""Asks a bucket by signed requests, and what its store does with wrong checksums; it never infers safety.

Requests are signed by hand (AWS signature version 4): a client library would not send a wrong checksum, and the one
that carries our bytes shows no key as the store has it (`bucket_listing`).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import httpx

_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket and the keys that open it."""

    endpoint: str
    region: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """Where it is, for people: no key is in it."""
        return f"{self.endpoint.rstrip('/')}/{self.name}"

    def request(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one signed request for a key, or for the bucket itself when `key` is empty."""
        path = quote(f"/{self.name}/{key}" if key else f"/{self.name}", safe="/~")
        asked = "&".join(
            sorted(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in (query or {}).items())
        )
        signed = self._signed(method, path, body, dict(headers or {}), asked)
        url = self.endpoint.rstrip("/") + path + (f"?{asked}" if asked else "")
        return _client().request(method, url, content=body, headers=signed)

    def _signed(self, method: str, path: str, body: bytes, headers: dict[str, str], query: str = "") -> dict[str, str]:
        now = datetime.datetime.now(datetime.UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        digest = hashlib.sha256(body).hexdigest()
        every = {
            **{name.lower(): value for name, value in headers.items()},
            "host": urlsplit(self.endpoint).netloc,
            "x-amz-date": stamp,
            "x-amz-content-sha256": digest,
        }
        names = ";".join(sorted(every))
        lines = [method, path, query, *(f"{name}:{every[name]}" for name in sorted(every)), "", names, digest]
        scope = f"{day}/{self.region}/s3/aws4_request"
        canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        key = b"AWS4" + self.secret_key.encode()
        for word in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}"
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        credential = f"Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**every, "authorization": f"AWS4-HMAC-SHA256 {credential}"}


@functools.cache
def _client() -> httpx.Client:
    # One for all threads: a new one would read the machine's list of authorities for each request.
    return httpx.Client(timeout=_SECONDS_MAX, trust_env=False)


@dataclass(frozen=True, slots=True)
class Trust:
    """How a store answered to a right and to wrong checksums."""

    writable: bool
    refuses_wrong_md5: bool
    refuses_wrong_sha256: bool
    etag_is_md5: bool
    answer: str
    """What it said when it could not be written."""


def probe(bucket: Bucket, key: str) -> Trust:
    """Write a small object rightly and wrongly, then remove it; nothing is left."""
    body = b"dcshift asks whether wrong checksums are refused\n"
    right = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    wrong = base64.b64encode(hashlib.md5(body + b"x", usedforsecurity=False).digest()).decode()
    wrong_sha = base64.b64encode(hashlib.sha256(body + b"x").digest()).decode()
    try:
        good = bucket.request("PUT", key, body=body, headers={"content-md5": right})
        if good.status_code != 200:
            return Trust(False, False, False, False, f"HTTP {good.status_code}: {good.text[:300]}")
        etag = good.headers.get("etag", "").strip('"')
        md5 = bucket.request("PUT", key, body=body, headers={"content-md5": wrong})
        headers = {"x-amz-checksum-sha256": wrong_sha, "x-amz-sdk-checksum-algorithm": "SHA256"}
        sha = bucket.request("PUT", key, body=body, headers=headers)
        is_md5 = etag == hashlib.md5(body, usedforsecurity=False).hexdigest()
        return Trust(True, 400 <= md5.status_code < 500, 400 <= sha.status_code < 500, is_md5, "")
    except httpx.HTTPError as failure:
        return Trust(False, False, False, False, f"{type(failure).__name__}: {failure}")
    finally:
        with contextlib.suppress(httpx.HTTPError):
            bucket.request("DELETE", key)
