"""The order that a mover of files is given; it holds the bucket's keys, so it is read from stdin or a private file."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from migration.movers.bucket_store import PART_BYTES
from migration.movers.job import text_of
from migration.movers.s3 import Bucket


class FilesJob(BaseModel):
    """Everything that one set of files needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    name: str
    token: int = Field(ge=0)
    """Fencing token of the turn that ordered it; bucket and machine refuse it when a later turn has begun. 0: no turn,
    which may look and carries nothing."""
    source: str
    """The folder at the source."""
    reach: list[str] = []
    """Words that reach the source's host, its name last, such as `ssh -i key user@host`; empty for this machine."""
    become: list[str] = ["sudo", "-n"]
    """Words before a command on the source's host that let it read every file."""
    left_behind: list[str] = []
    """Patterns of paths that are no regular files and that people decided not to carry."""
    staging: Path
    """Folder of ours for the copy that lies between both sides, and for the index."""
    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: SecretStr
    limit_file: Path | None = None
    """File with the bytes a second that may pass while the source serves: `movers/throttle.py`."""
    source_limits_file: Path | None = None
    """File with the limits within which the source is spared: `movers/limits.py`."""
    workers: int = Field(default=16, ge=1, le=64)
    part_bytes: int = Field(default=PART_BYTES, ge=5 * 1024 * 1024)
    passes_max: int = Field(default=6, ge=1)
    small_pass_files: int = 50
    """A pass that carried no more files than this ends the replication: the next one will be as small."""
    pull_seconds_max: float = 24 * 3600.0

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


def read(where: str) -> FilesJob:
    """Read a job from a file, or from stdin for `-`."""
    return FilesJob.model_validate_json(text_of(where))
