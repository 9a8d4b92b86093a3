"""Buckets as `infra.provide` makes them, on a private store, and what the store's administrator sees in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.object_store import Keys, ObjectStore
from infra.retention import Kept
from lab.store_server import Store


def administrator(server: Store) -> ObjectStore:
    return ObjectStore(server.endpoint, "us-east-1", Keys(server.access_key, server.secret_key))


def provided(server: Store, bucket: str) -> None:
    """Make a bucket of files, which keeps versions as every centre's does."""
    assert administrator(server).provide_bucket(bucket, Kept(30, locked=False))


def client(server: Store, keys: Keys | None = None) -> Any:
    """Return a client with these keys, or the administrator's."""
    opened = keys or Keys(server.access_key, server.secret_key)
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=opened.access_key,
        aws_secret_access_key=opened.secret_key, config=Config(s3={"addressing_style": "path"}, proxies={}),
    )  # fmt: skip


def versions(s3: Any, bucket: str, key: str) -> list[str]:
    """Return the versions of an object, the newest first, without marks of deletion."""
    return [each["VersionId"] for each in s3.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", [])]


def deleted(s3: Any, bucket: str, key: str, version: str, **more: Any) -> bool:
    """Try to delete one version for good; return whether the store did so."""
    try:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version, **more)
    except ClientError as refused:
        assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return False
    return True


class Lying:
    """The real store, but for one call."""

    def __init__(self, s3: Any, call: str, instead: Callable[..., Any]) -> None:
        self._s3, self._call, self._instead = s3, call, instead

    def __getattr__(self, name: str) -> Any:
        return self._instead if name == self._call else getattr(self._s3, name)
