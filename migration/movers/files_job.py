"""The order that a mover of files is given; it holds the bucket's keys, so it is read from stdin or a private file."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, SecretStr

from migration.movers.bucket_store import PART_BYTES
from migration.movers.s3 import Bucket
from migration.movers.tree_job import TreeJob


class FilesJob(TreeJob):
    """Everything that one set of files needs that becomes objects; its staging folder holds a copy of them all."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: SecretStr
    workers: int = Field(default=16, ge=1, le=64)
    part_bytes: int = Field(default=PART_BYTES, ge=5 * 1024 * 1024)

    @property
    def tree(self) -> Path:
        return self.staging / "tree"

    @property
    def opened(self) -> Bucket:
        """The bucket with its keys."""
        return Bucket(self.endpoint, self.region, self.bucket, self.access_key, self.secret_key.get_secret_value())

    def as_json(self) -> str:
        """Return the whole job with its keys, for a pipe; never for a log or a file that stays."""
        return json.dumps({**self.model_dump(mode="json"), "secret_key": self.secret_key.get_secret_value()})
