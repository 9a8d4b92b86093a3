"""The order that a mover of objects is given; it holds keys, so it is read from stdin or a private file."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from migration.movers.bucket_store import PART_BYTES
from migration.movers.job import text_of
from migration.movers.s3 import Bucket


class ObjectsJob(BaseModel):
    """Everything that one bucket needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    name: str
    token: int
    """Fencing token of the turn that ordered it; the target's bucket refuses it when a later turn has begun."""
    source: Bucket
    target: Bucket
    staging: Path
    """Folder of ours for the record of what was carried: about 500 bytes an object, no content."""
    left_behind: list[str] = []
    """Patterns of keys that cannot be carried and that people decided not to carry."""
    deletions: Literal["tell", "follow"] = "tell"
    """What becomes of an object of ours whose source is gone: it stays and is named, or goes too."""
    overwrite: bool = False
    """Whether objects at the target that we did not write, or that were changed since, give way to the source's."""
    limit_file: Path | None = None
    """File with the bytes a second that may pass while the source serves: `movers/throttle.py`."""
    workers: int = Field(default=16, ge=1, le=64)
    part_bytes: int = Field(default=PART_BYTES, ge=5 * 1024 * 1024)
    memory_bytes_max: int = Field(default=128 * 1024 * 1024, ge=16 * 1024 * 1024)
    """Contents that are in memory at one time, all workers together; the program itself needs about 100 MiB more."""
    passes_max: int = Field(default=6, ge=1)
    small_pass_objects: int = Field(default=50, ge=0)
    """A pass that touched no more objects than this ends the replication: the next one will be as small."""

    def as_json(self) -> str:
        """Return the whole job with its keys, for a pipe; never for a log or a file that stays."""
        return json.dumps(self.model_dump(mode="json"))

    def is_left_behind(self, key: str) -> bool:
        """Say whether people decided not to carry this key."""
        return any(fnmatch.fnmatchcase(key, pattern) for pattern in self.left_behind)


def read(where: str) -> ObjectsJob:
    """Read a job from a file, or from stdin for `-`."""
    return ObjectsJob.model_validate_json(text_of(where))
