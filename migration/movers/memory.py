"""Finds the folder in memory where secrets may lie while a program needs them as a file; it never falls back to a disk.

A secret on a disk outlives a power cut, and deleting the file does not take it away.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from migration.errors import UsageError

_KINDS: Final = ("tmpfs", "ramfs")


def folder(candidates: Sequence[Path] | None = None) -> Path:
    """Return a folder in memory that we may write to; raises `UsageError` where this machine has none."""
    asked = candidates or (Path("/dev/shm"), Path("/run/shm"), Path(f"/run/user/{os.getuid()}"))  # noqa: S108
    for place in asked:
        if place.is_dir() and os.access(place, os.W_OK | os.X_OK) and _is_memory(place):
            return place
    raise UsageError(
        "no-folder-in-memory",
        what="there is no place on this machine where a secret may lie for a moment",
        why=f"none of {', '.join(map(str, asked))} is a file system in memory that we may write to, and a secret on a "
        "disk stays there after a power cut",
        state="nothing was begun",
        next="mount -t tmpfs -o mode=1777 tmpfs /dev/shm   (as root), then type the same command again",
    )


def _is_memory(place: Path) -> bool:
    """Say what lies under a folder: its name proves nothing, because `/dev/shm` may be a folder of the disk."""
    found = place.resolve()
    mounted = [part for part in psutil.disk_partitions(all=True) if found.is_relative_to(part.mountpoint)]
    # Of several file systems on one folder the one that was mounted last is seen.
    deepest = max(enumerate(mounted), key=lambda each: (len(Path(each[1].mountpoint).parts), each[0]))
    return deepest[1].fstype in _KINDS
