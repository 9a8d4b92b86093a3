"""Buckets of backups on a real object store: what was overwritten stays, and what is locked nobody can delete."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.errors import InfraError
from infra.object_store import ObjectStore
from infra.retention import PROBE, Kept, RetentionError, keep
from tests.support.buckets import Lying, deleted, versions

LOCKED, VERSIONED = Kept(3, locked=True), Kept(3, locked=False)


def test_no_version_in_a_locked_bucket_is_deleted_by_anybody(store: ObjectStore, s3: Any) -> None:
    assert store.provide_bucket("locked", LOCKED)
    s3.put_object(Bucket="locked", Key="base.tar", Body=b"one")
    s3.put_object(Bucket="locked", Key="base.tar", Body=b"two")
    upload = s3.create_multipart_upload(Bucket="locked", Key="big")["UploadId"]
    part = {"Bucket": "locked", "Key": "big", "UploadId": upload}
    tag = s3.upload_part(**part, PartNumber=1, Body=b"0" * 6_000_000)["ETag"]
    s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    s3.delete_object(Bucket="locked", Key="base.tar")
    for key, count in (("base.tar", 2), ("big", 1)):
        found = versions(s3, "locked", key)
        assert len(found) == count
        for version in found:
            assert not deleted(s3, "locked", key, version)
            assert not deleted(s3, "locked", key, version, BypassGovernanceRetention=True)
            sooner = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)
            with pytest.raises(ClientError, match="Denied"):
                s3.put_object_retention(
                    Bucket="locked", Key=key, VersionId=version,
                    Retention={"Mode": "COMPLIANCE", "RetainUntilDate": sooner},
                )  # fmt: skip


def test_a_second_time_nothing_is_changed_and_the_lock_is_tried_again(store: ObjectStore, s3: Any) -> None:
    for name, kept in (("twice-locked", LOCKED), ("twice-kept", VERSIONED)):
        assert store.provide_bucket(name, kept)
        assert not store.provide_bucket(name, kept)
    assert len(versions(s3, "twice-locked", PROBE)) == 1
    everything = s3.list_object_versions(Bucket="twice-kept")
    assert not everything.get("Versions")
    assert not everything.get("DeleteMarkers")


def test_a_bucket_that_is_there_gets_what_it_lacks(store: ObjectStore, s3: Any) -> None:
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="older", Body=b"1")
    assert store.provide_bucket("plain", VERSIONED)
    assert store.provide_bucket("plain", LOCKED)
    assert not store.provide_bucket("plain", LOCKED)
    s3.put_object(Bucket="plain", Key="a", Body=b"1")
    (version,) = versions(s3, "plain", "a")
    assert not deleted(s3, "plain", "a", version)


def test_a_longer_term_is_left_a_shorter_or_weaker_one_is_not(store: ObjectStore, s3: Any) -> None:
    def term() -> dict[str, Any]:
        found = s3.get_object_lock_configuration(Bucket="terms")["ObjectLockConfiguration"]
        return dict(found["Rule"]["DefaultRetention"])

    store.provide_bucket("terms", LOCKED)
    for mode, days, after in (("COMPLIANCE", 90, 90), ("COMPLIANCE", 1, 3), ("GOVERNANCE", 90, 3)):
        rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
        s3.put_object_lock_configuration(
            Bucket="terms", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        assert store.provide_bucket("terms", LOCKED) is (after == LOCKED.days)
        assert term() == {"Mode": "COMPLIANCE", "Days": after}


def test_older_versions_go_after_their_time_and_rules_of_others_stay(store: ObjectStore, s3: Any) -> None:
    s3.create_bucket(Bucket="rules")
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="rules", LifecycleConfiguration={"Rules": [theirs]})
    assert store.provide_bucket("rules", VERSIONED)
    assert store.provide_bucket("rules", Kept(5, locked=False))
    found = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket="rules")["Rules"]}
    assert set(found) == {"theirs", "dcshift-kept"}
    assert found["theirs"]["Expiration"] == {"Days": 1}
    assert found["dcshift-kept"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 5}
    assert found["dcshift-kept"]["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert found["dcshift-kept"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


@pytest.mark.parametrize(
    "changed",
    [
        {"Status": "Disabled"},
        {"Filter": {"Prefix": "tmp/"}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 90}},
        {"Expiration": {"Days": 3}},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 30}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_rule_of_ours_that_somebody_changed_is_put_right(
    store: ObjectStore, s3: Any, changed: dict[str, Any]
) -> None:
    bucket = f"changed-{next(iter(changed)).lower()}"
    store.provide_bucket(bucket, VERSIONED)
    (right,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    wrong = {"Filter": {"Prefix": ""}, **right, **changed}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [wrong]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] != [right]
    assert store.provide_bucket(bucket, VERSIONED)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [right]


@pytest.mark.parametrize(
    ("call", "answer", "says"),
    [
        ("put_bucket_versioning", {}, "was told to keep versions and does not"),
        ("put_object_lock_configuration", {}, "was told to lock every version for 3 days and does not"),
        ("head_object", {"VersionId": "1"}, "has no lock"),
        ("delete_object", None, "calls a version locked and lets it be deleted"),
        ("put_bucket_lifecycle_configuration", {}, "was told to drop older versions after 3 days and does not say so"),
    ],
)
def test_a_store_that_only_says_yes_is_caught(
    s3: Any, call: str, answer: dict[str, Any] | None, says: str, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.retention._TAKEN_UP_SECONDS", 0.6)
    bucket = f"lying-{call.replace('_', '-')}"
    s3.create_bucket(Bucket=bucket)
    # Whose lock is no lock: the version is gone, and the one below it is no longer the newest.
    instead = (lambda **_: answer) if answer is not None else lambda **_: s3.put_object(Bucket=bucket, Key=PROBE)
    with pytest.raises(RetentionError, match=says):
        keep(Lying(s3, call, instead), bucket, LOCKED)


@pytest.mark.parametrize(("status", "code"), [(400, "InvalidRequest"), (403, "AccessDenied")])
def test_a_refusal_is_believed_in_any_stores_words(s3: Any, status: int, code: str) -> None:
    def refused(**_: Any) -> None:
        said = {"Error": {"Code": code, "Message": "WORM"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(said, "DeleteObject")  # type: ignore[arg-type]

    bucket = f"refuses-{status}"
    s3.create_bucket(Bucket=bucket)
    assert keep(Lying(s3, "delete_object", refused), bucket, LOCKED)


def test_a_store_without_locks_is_told_with_its_own_words(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        said = {"Error": {"Code": "InvalidRequest", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(said, "PutObjectLockConfiguration")  # type: ignore[arg-type]

    store.provide_bucket("refusing", VERSIONED)
    monkeypatch.setattr(store, "_s3", Lying(store._s3, "put_object_lock_configuration", refused))
    with pytest.raises(InfraError) as told:
        store.provide_bucket("refusing", LOCKED)
    assert told.value.code == "object-store-refused"
    assert "PutObjectLockConfiguration" in told.value.why
