"""Writes files of the staging tree into their bucket, and removes what is gone, while a turn lasts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from migration.movers.bucket_claim import Turn
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_store import Store
from migration.movers.spread import spread

_RECORD_EVERY = 500
OnDone = Callable[[int, int, int], None]
"""Called with bytes done, bytes in all, files done."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Writes into the bucket, as long as our turn lasts, and records what was written."""

    job: FilesJob
    index: Index
    store: Store
    turn: Turn

    def upload(self, wanted: list[bytes], on_done: OnDone | None) -> None:
        """Carry these files of the staging tree. Raises `StepFailed`: object-not-written, turn-over."""
        done_bytes = done_files = 0
        fresh: list[Entry] = []
        files = {path: self.job.tree / os.fsdecode(path) for path in wanted}
        total = sum(full.lstat().st_size for full in files.values()) if on_done is not None else 0
        said = time.monotonic()

        def put(one: tuple[bytes, Path]) -> Entry:
            self.turn.assert_ours()
            return self.store.put_file(*one)

        def take(entry: Entry) -> None:
            nonlocal done_bytes, done_files, said
            fresh.append(entry)
            done_bytes, done_files = done_bytes + entry.size, done_files + 1
            if len(fresh) >= _RECORD_EVERY:
                self.index.change(put=fresh)
                fresh.clear()
            if on_done is not None and time.monotonic() - said > 1.0:
                said = time.monotonic()
                on_done(done_bytes, total, done_files)

        workers = min(self.job.workers, max(len(wanted), 1))
        try:
            spread(files.items(), put, workers=workers, on_done=take)
        finally:
            self.index.change(put=fresh)

    def delete(self, gone: list[Entry]) -> None:
        """Remove the objects of these files. Raises as `upload` does."""
        for entry in gone:
            self.turn.assert_ours()
            self.store.delete([entry.key])
        self.index.change(drop=[entry.path for entry in gone])
