"""How long what was overwritten or deleted in a bucket stays, and whether anybody can shorten it: re-read, and tried.

One way for buckets of files and of backups; it never deletes what is not its own word of a trial.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

PROBE: Final = "dcshift-lock-probe"
VERSIONS_PROBE: Final = ".dcshift/versions-probe"
"""Below the prefix that no mover and no proof takes for a file; it is there for a moment."""
_EXPIRY: Final = "dcshift-kept"
_UPLOAD_DAYS: Final = 7
"""An upload in parts that is not completed after so long was left behind by a program that died: none takes a week."""
_REFUSALS: Final = (400, 403, 409)
"""How a locked version is defended: 403 at AWS and others, 400 at MinIO."""
_TAKEN_UP_SECONDS: Final = 60.0
_COMPLIANCE: Final = "COMPLIANCE"
_FIRST: Final = b"first\n"


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

    Each is tried each time, by the store's administrator on an object of one word: a lock on one that stays in the
    bucket, versions on one that is overwritten, deleted, read again and then gone with all its versions.

    Raises `RetentionError`, and `ClientError` where the store refuses.
    """
    changed = _keep_versions(s3, bucket)
    if kept.locked:
        changed |= _lock(s3, bucket, kept.days)
        _try_lock(s3, bucket)
    else:
        _try_versions(s3, bucket)
    return changed | _expire(s3, bucket, kept.days)


def drops_unfinished(s3: Any, bucket: str) -> bool:
    """Return whether the store says that it drops uploads that nobody completed.

    Not every store takes that order: MinIO leaves it out of what it was told, and cleans up by a rule of its own.
    """
    return any(_is_ours(rule) and _drops_uploads(rule) for rule in _rules(s3, bucket))


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
        # That it is there still is what counts, and is asked.
        if _status(refused) not in _REFUSALS:
            raise
    if _locked_version(s3, bucket) != version:
        raise RetentionError("it calls a version locked and lets it be deleted")


def _locked_version(s3: Any, bucket: str) -> str | None:
    """Return the version of the probe that is locked now, if one is."""
    try:
        found = s3.head_object(Bucket=bucket, Key=PROBE)
    except ClientError as missing:
        if _status(missing) != 404:
            raise
        return None
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    until = found.get("ObjectLockRetainUntilDate")
    locked = found.get("ObjectLockMode") == _COMPLIANCE and until is not None and until > soon
    return str(found["VersionId"]) if locked else None


def _try_versions(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": VERSIONS_PROBE}
    try:
        first = s3.put_object(**place, Body=_FIRST).get("VersionId")
        s3.put_object(**place, Body=b"second\n")
        s3.delete_object(**place)
        if first is None or _content(s3, place, first) != _FIRST:
            raise RetentionError("it says that it keeps versions, and what was overwritten and deleted is gone")
    finally:
        _forget(s3, place)


def _content(s3: Any, place: dict[str, str], version: str) -> bytes | None:
    try:
        return bytes(s3.get_object(**place, VersionId=version)["Body"].read())
    except ClientError as missing:
        if _status(missing) != 404:
            raise
        return None


def _forget(s3: Any, place: dict[str, str]) -> None:
    """Delete every version of the trial's object, also those of a trial that died."""
    found = s3.list_object_versions(Bucket=place["Bucket"], Prefix=place["Key"])
    for each in (*found.get("Versions", []), *found.get("DeleteMarkers", [])):
        try:
            s3.delete_object(**place, VersionId=each["VersionId"])
        except ClientError as refused:
            # A bucket that was locked before its system's level asked less: they go when their time is over.
            if _status(refused) not in _REFUSALS:
                raise


def _expire(s3: Any, bucket: str, days: int) -> bool:
    """See that versions go once their time is over: a bucket that keeps everything for ever fills its disks."""

    def dropped() -> bool:
        return any(_is_ours(rule) and _drops_versions(rule, days) for rule in _rules(s3, bucket))

    before = _rules(s3, bucket)
    if dropped() and drops_unfinished(s3, bucket):
        return False
    wanted: dict[str, Any] = {"ID": _EXPIRY, "Status": "Enabled", "Filter": {"Prefix": ""}}
    # The mark that a deletion leaves goes with the last version below it.
    wanted["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    wanted["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    wanted["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": _UPLOAD_DAYS}
    others = [rule for rule in before if rule.get("ID") != _EXPIRY]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [*others, wanted]})
    _until(dropped, f"it was told to drop older versions after {days} days and does not say so")
    # A store that leaves out the part about uploads is told again each time, which changes nothing.
    return _rules(s3, bucket) != before


def _rules(s3: Any, bucket: str) -> list[dict[str, Any]]:
    try:
        return list(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"])
    except ClientError as none:
        if _code(none) != "NoSuchLifecycleConfiguration":
            raise
        return []


def _is_ours(rule: dict[str, Any]) -> bool:
    """Return whether it is our rule, switched on and for all of the bucket."""
    narrow = rule.get("Filter") or {}
    whole = set(narrow) <= {"Prefix"} and not narrow.get("Prefix") and not rule.get("Prefix")
    return whole and (rule.get("ID"), rule.get("Status")) == (_EXPIRY, "Enabled")


def _drops_versions(rule: dict[str, Any], days: int) -> bool:
    return (
        rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") == days
        and rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") is True
    )


def _drops_uploads(rule: dict[str, Any]) -> bool:
    return bool(rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") == _UPLOAD_DAYS)


def _until(taken_up: Callable[[], bool], otherwise: str) -> None:
    """Wait until a setting is read back: large stores take it up a little later."""
    end = time.monotonic() + _TAKEN_UP_SECONDS
    while not taken_up():
        if time.monotonic() > end:
            raise RetentionError(otherwise)
        time.sleep(0.5)


def _status(refused: ClientError) -> int:
    return int(refused.response["ResponseMetadata"]["HTTPStatusCode"])


def _code(refused: ClientError) -> str:
    return str(refused.response["Error"]["Code"])
