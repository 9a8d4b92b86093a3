"""Buckets, and for each a user who may use that one bucket and no other; it never removes a bucket or an object."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import InfraError
from infra.retention import Kept, RetentionError, drops_unfinished, keep

_CONFIG: Final = Config(
    s3={"addressing_style": "path"},
    retries={"max_attempts": 3},
    connect_timeout=5,
    read_timeout=20,
    # The store is addressed as the catalogue says; a proxy of the machine has no business in between.
    proxies={},
)
_ACCEPTED_WITHIN_SECONDS: Final = 60.0
_POLICY: Final = "own-bucket"


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens a bucket."""

    access_key: str
    secret_key: str


class ObjectStore:
    """One S3 endpoint as its administrator; IAM answers at the same address."""

    def __init__(self, endpoint: str, region: str, admin: Keys) -> None:
        self._endpoint, self._region = endpoint, region
        self._s3, self._iam = self._client("s3", admin), self._client("iam", admin)

    def _client(self, service: str, keys: Keys) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=self._region,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            config=_CONFIG,
        )

    def provide_bucket(self, bucket: str, kept: Kept) -> bool:
        """See that a bucket exists and keeps versions; return whether it was made or changed now.

        Raises `InfraError`.
        """
        try:
            changed = not self._has(bucket)
            if changed:
                self._s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=kept.locked)
                if not self._has(bucket):
                    raise self._refused(f"bucket {bucket}", "it was accepted and is not there")
            changed |= keep(self._s3, bucket, kept)
        except (ClientError, BotoCoreError, RetentionError) as refused:
            raise self._refused(f"bucket {bucket}", str(refused)) from refused
        return changed

    def drops_unfinished(self, bucket: str) -> bool:
        """Return whether the store says that it drops uploads that nobody completed. Raises `InfraError`."""
        try:
            return drops_unfinished(self._s3, bucket)
        except (ClientError, BotoCoreError) as refused:
            raise self._refused(f"bucket {bucket}", str(refused)) from refused

    def _has(self, bucket: str) -> bool:
        try:
            self._s3.head_bucket(Bucket=bucket)
        except ClientError as missing:
            if missing.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def opens(self, bucket: str, keys: Keys) -> bool:
        """Return whether these keys open this bucket now. Raises `InfraError` when the store does not answer."""
        try:
            self._client("s3", keys).list_objects_v2(Bucket=bucket, MaxKeys=1)
        except ClientError as refused:
            if refused.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403):
                return False
            raise self._refused(f"bucket {bucket}", str(refused)) from refused
        except BotoCoreError as silent:
            raise self._refused(f"bucket {bucket}", str(silent)) from silent
        return True

    def new_keys(self, bucket: str, *, read_only: bool = False) -> Keys:
        """Make new keys for a user of this bucket, drop the user's older ones, and return once the new ones open it.

        Whoever may only read is a user of its own, so that one can lose its keys without the other.
        """
        user = f"{bucket}-reader" if read_only else bucket
        try:
            try:
                self._iam.create_user(UserName=user)
            except ClientError as known:
                if known.response["Error"]["Code"] != "EntityAlreadyExists":
                    raise
            document = json.dumps(policy(bucket, read_only=read_only))
            self._iam.put_user_policy(UserName=user, PolicyName=_POLICY, PolicyDocument=document)
            older = self._iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
            made = self._iam.create_access_key(UserName=user)["AccessKey"]
            for key in older:
                self._iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        except (ClientError, BotoCoreError) as refused:
            raise self._refused(f"user {user}", str(refused)) from refused
        keys = Keys(made["AccessKeyId"], made["SecretAccessKey"])
        end = time.monotonic() + _ACCEPTED_WITHIN_SECONDS
        while not self.opens(bucket, keys):
            if time.monotonic() > end:
                raise self._refused(f"user {user}", "its new keys do not open the bucket")
            time.sleep(0.3)
        return keys

    def _refused(self, what: str, why: str) -> InfraError:
        return InfraError(
            "object-store-refused",
            what=f"{what} could not be provided at {self._endpoint}",
            why=why,
            state="no object was touched; what was made before this stays",
            next="check that the store runs and that its administrator's keys are right, then run this again",
        )


def policy(bucket: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return what a bucket's user may do: list and read in it, unless read-only write and delete, nothing elsewhere.

    Deleting leaves a mark; to delete a version is a right of its own, and the store's administrator has it alone.
    Only actions that both AWS and seaweedfs know: the latter refuses a policy with one that it does not.
    """
    arn = f"arn:aws:s3:::{bucket}"
    writing = [] if read_only else ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    objects = ["s3:GetObject", *writing]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": objects, "Resource": [f"{arn}/*"]},
            {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": [arn]},
        ],
    }
