"""Buckets of backups on a real object store: what was overwritten stays, and what is locked nobody can delete."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.errors import InfraError
from infra.object_store import Keys, ObjectStore
from infra.retention import PROBE, Kept, RetentionError, keep
from lab.store_server import Store, store_running

LOCKED, VERSIONED = Kept(3, locked=True), Kept(3, locked=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store_running(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def store(server: Store) -> ObjectStore:
    return ObjectStore(server.endpoint, "us-east-1", Keys(server.access_key, server.secret_key))


@pytest.fixture
def s3(server: Store) -> Any:
    """The store's administrator."""
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key, config=Config(s3={"addressing_style": "path"}, proxies={}),
    )  # fmt: skip


def versions(s3: Any, bucket: str, key: str) -> list[str]:
    return [each["VersionId"] for each in s3.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", [])]


def deleted(s3: Any, bucket: str, key: str, version: str, **more: Any) -> bool:
    try:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version, **more)
    except ClientError as refused:
        assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return False
    return True


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
    assert versions(s3, "twice-kept", PROBE) == []


def test_a_bucket_that_is_there_gets_what_it_lacks(store: ObjectStore, s3: Any) -> None:
    assert store.provide_bucket("plain")
    assert not store.provide_bucket("plain")
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
    store.provide_bucket("rules")
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="rules", LifecycleConfiguration={"Rules": [theirs]})
    assert store.provide_bucket("rules", VERSIONED)
    assert store.provide_bucket("rules", Kept(5, locked=False))
    found = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket="rules")["Rules"]}
    assert set(found) == {"theirs", "dcshift-kept"}
    assert found["theirs"]["Expiration"] == {"Days": 1}
    assert found["dcshift-kept"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 5}


class Lying:
    """The real store, but for one call."""

    def __init__(self, s3: Any, call: str, instead: Callable[..., Any]) -> None:
        self._s3, self._call, self._instead = s3, call, instead

    def __getattr__(self, name: str) -> Any:
        return self._instead if name == self._call else getattr(self._s3, name)


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

    store.provide_bucket("refusing")
    monkeypatch.setattr(store, "_s3", Lying(store._s3, "put_object_lock_configuration", refused))
    with pytest.raises(InfraError) as told:
        store.provide_bucket("refusing", LOCKED)
    assert told.value.code == "object-store-refused"
    assert "PutObjectLockConfiguration" in told.value.why
