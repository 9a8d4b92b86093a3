"""Buckets of files on a real object store: what was overwritten or deleted can be fetched back, as was tried."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.object_store import ObjectStore
from infra.retention import VERSIONS_PROBE, Kept, RetentionError, drops_unfinished, keep
from lab.store_server import Store
from tests.support.buckets import Lying, client, deleted, versions

LOCKED, VERSIONED = Kept(3, locked=True), Kept(3, locked=False)


def test_a_deleted_file_comes_back_and_its_systems_keys_cannot_destroy_it(
    store: ObjectStore, server: Store, s3: Any
) -> None:
    store.provide_bucket("files", VERSIONED)
    keys = store.new_keys("files")
    own = client(server, keys)
    own.put_object(Bucket="files", Key="ho-so/1.pdf", Body=b"the citizen's")
    own.put_object(Bucket="files", Key="ho-so/1.pdf", Body=b"encrypted by a thief")
    own.delete_object(Bucket="files", Key="ho-so/1.pdf")
    newest, oldest = versions(s3, "files", "ho-so/1.pdf")
    for version in (newest, oldest):
        assert not deleted(own, "files", "ho-so/1.pdf", version)
    for call, told in (
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
        ("delete_bucket_lifecycle", {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(own, call)(Bucket="files", **told)
    # As docs/deleted-files.md says it.
    source = {"Bucket": "files", "Key": "ho-so/1.pdf", "VersionId": oldest}
    s3.copy_object(Bucket="files", Key="ho-so/1.pdf", CopySource=source)
    assert own.get_object(Bucket="files", Key="ho-so/1.pdf")["Body"].read() == b"the citizen's"


def test_what_a_trial_that_died_left_goes_with_the_next(store: ObjectStore, s3: Any) -> None:
    store.provide_bucket("died", VERSIONED)
    s3.put_object(Bucket="died", Key=VERSIONS_PROBE, Body=b"first")
    s3.delete_object(Bucket="died", Key=VERSIONS_PROBE)
    s3.put_object(Bucket="died", Key=VERSIONS_PROBE + "-of-others", Body=b"not ours")
    assert not store.provide_bucket("died", VERSIONED)
    found = s3.list_object_versions(Bucket="died")
    assert [each["Key"] for each in found["Versions"]] == [VERSIONS_PROBE + "-of-others"]
    assert not found.get("DeleteMarkers")


def test_a_bucket_that_was_locked_when_its_level_asked_for_it_is_tried_all_the_same(store: ObjectStore) -> None:
    store.provide_bucket("lowered", LOCKED)
    assert not store.provide_bucket("lowered", VERSIONED)


def test_a_store_that_leaves_the_order_about_uploads_out_is_told_and_not_refused(s3: Any) -> None:
    """As MinIO does (minio/minio#19115): it takes the rule and answers it without that part."""

    def without(**told: Any) -> Any:
        for rule in told["LifecycleConfiguration"]["Rules"]:
            rule.pop("AbortIncompleteMultipartUpload", None)
        return s3.put_bucket_lifecycle_configuration(**told)

    s3.create_bucket(Bucket="leaves-out")
    forgetful: Any = Lying(s3, "put_bucket_lifecycle_configuration", without)
    assert keep(forgetful, "leaves-out", VERSIONED)
    assert not drops_unfinished(s3, "leaves-out")
    assert not keep(forgetful, "leaves-out", VERSIONED)
    assert keep(s3, "leaves-out", VERSIONED)
    assert drops_unfinished(s3, "leaves-out")


def test_a_store_that_says_that_it_keeps_versions_and_does_not_is_caught(s3: Any) -> None:
    s3.create_bucket(Bucket="forgets")
    real = s3.delete_object

    def for_good(**told: Any) -> Any:
        for each in s3.list_object_versions(Bucket="forgets").get("Versions", []):
            real(Bucket="forgets", Key=each["Key"], VersionId=each["VersionId"])
        return real(**told)

    with pytest.raises(RetentionError, match="what was overwritten and deleted is gone"):
        keep(Lying(s3, "delete_object", for_good), "forgets", VERSIONED)
