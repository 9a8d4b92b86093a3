"""Keeps a second mover of the same data on this machine out, for as long as one is at work."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migration.errors import StepFailed


@contextmanager
def only_one(staging: Path, shown: str) -> Iterator[None]:
    """Hold the staging folder's lock; raises `StepFailed` (mover-at-work) when another process does."""
    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (staging / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepFailed(
                "mover-at-work",
                what=f"{shown} is being carried by another process",
                why=f"it holds {staging / 'lock'}",
                state="this command changed nothing",
                next="dcshift status",
            ) from None
        yield
