"""How long what was overwritten or deleted in a bucket stays, and that nobody can shorten it: re-read, and tried."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

PROBE: Final = "dcshift-lock-probe"
_EXPIRY: Final = "dcshift-kept"
_TAKEN_UP_SECONDS: Final = 10.0
_COMPLIANCE: Final = "COMPLIANCE"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a bucket does with older versions of its objects."""

    days: int
    """They stay so many days after they were overwritten or deleted."""
    locked: bool
    """Whether no version can be deleted by anybody, the store's administrator included, for as long."""


class RetentionError(Exception):
    """The store took the order and does not do it."""


def keep(s3: Any, bucket: str, kept: Kept) -> bool:
    """See that a bucket keeps versions so; return whether something was changed now.

    A lock is tried each time: by its administrator, on an object of one word that stays in the bucket.

    Raises `RetentionError`, and `ClientError` where the store refuses.
    """
    changed = _keep_versions(s3, bucket)
    if kept.locked:
        changed |= _lock(s3, bucket, kept.days)
        _try_lock(s3, bucket)
    return changed | _expire(s3, bucket, kept.days)


def _keep_versions(s3: Any, bucket: str) -> bool:
    def status() -> object:
        return s3.get_bucket_versioning(Bucket=bucket).get("Status")

    if status() == "Enabled":
        return False
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    _until(lambda: status() == "Enabled", "it was told to keep versions and does not")
    return True


def _lock(s3: Any, bucket: str, days: int) -> bool:
    def enough() -> bool:
        try:
            found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        except ClientError as none:
            if _code(none) != "ObjectLockConfigurationNotFoundError":
                raise
            return False
        term = found.get("Rule", {}).get("DefaultRetention", {})
        # Somebody may have chosen a longer term: it is never shortened.
        found_days = int(term.get("Days", 0)) + 365 * int(term.get("Years", 0))
        return bool(term.get("Mode") == _COMPLIANCE and found_days >= days)

    if enough():
        return False
    rule = {"DefaultRetention": {"Mode": _COMPLIANCE, "Days": days}}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)
    _until(enough, f"it was told to lock every version for {days} days and does not")
    return True


def _try_lock(s3: Any, bucket: str) -> None:
    if _locked_version(s3, bucket) is None:
        s3.put_object(Bucket=bucket, Key=PROBE, Body=b"locked\n")
    wrong = "what was written after it was told to lock every version has no lock"
    _until(lambda: _locked_version(s3, bucket) is not None, wrong)
    version = _locked_version(s3, bucket)
    try:
        s3.delete_object(Bucket=bucket, Key=PROBE, VersionId=version)
    except ClientError as refused:
        # 403 at AWS and others, 400 at MinIO; that it is there still is what counts, and is asked.
        if refused.response["ResponseMetadata"]["HTTPStatusCode"] not in (400, 403, 409):
            raise
    if _locked_version(s3, bucket) != version:
        raise RetentionError("it calls a version locked and lets it be deleted")


def _locked_version(s3: Any, bucket: str) -> str | None:
    """Return the version of the probe that is locked now, if one is."""
    try:
        found = s3.head_object(Bucket=bucket, Key=PROBE)
    except ClientError as missing:
        if missing.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return None
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    until = found.get("ObjectLockRetainUntilDate")
    locked = found.get("ObjectLockMode") == _COMPLIANCE and until is not None and until > soon
    return str(found["VersionId"]) if locked else None


def _expire(s3: Any, bucket: str, days: int) -> bool:
    """See that versions go once their time is over: a bucket that keeps everything for ever fills its disks."""

    def rules() -> list[dict[str, Any]]:
        try:
            return list(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"])
        except ClientError as none:
            if _code(none) != "NoSuchLifecycleConfiguration":
                raise
            return []

    def ours() -> bool:
        return any(
            rule.get("ID") == _EXPIRY
            and rule.get("Status") == "Enabled"
            and rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") == days
            and rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") is True
            for rule in rules()
        )

    if ours():
        return False
    others = [rule for rule in rules() if rule.get("ID") != _EXPIRY]
    wanted: dict[str, Any] = {"ID": _EXPIRY, "Status": "Enabled", "Filter": {"Prefix": ""}}
    # The mark that a deletion leaves goes with the last version below it.
    wanted["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    wanted["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [*others, wanted]})
    _until(ours, f"it was told to drop older versions after {days} days and does not say so")
    return True


def _until(taken_up: Callable[[], bool], otherwise: str) -> None:
    """Wait until a setting is read back: large stores take it up a little later."""
    end = time.monotonic() + _TAKEN_UP_SECONDS
    while not taken_up():
        if time.monotonic() > end:
            raise RetentionError(otherwise)
        time.sleep(0.5)


def _code(refused: ClientError) -> str:
    return str(refused.response["Error"]["Code"])
