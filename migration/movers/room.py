"""Says how much room is left where we write, and whether a failure was for want of it; it frees nothing."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from migration.errors import StepFailed

_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(place: Path) -> int:
    """Return the bytes that we may still write there."""
    found = os.statvfs(_nearest(place))
    return found.f_bavail * found.f_frsize


def free_entries(place: Path) -> int | None:
    """Return the files that we may still make there; None where the file system does not count them."""
    found = os.statvfs(_nearest(place))
    return found.f_favail if found.f_files else None


def left(place: Path) -> str:
    """Return the room that is left there as a phrase, such as `4,096 bytes and 12 file entries are free in /tmp`."""
    entries = free_entries(place)
    counted = f"{free_bytes(place):,} bytes" + ("" if entries is None else f" and {entries:,} file entries")
    return f"{counted} are free in {place}"


def is_full(failure: Exception) -> bool:
    """Say whether a failure was for want of room."""
    if isinstance(failure, sqlite3.Error):
        return "disk is full" in str(failure)
    return isinstance(failure, OSError) and failure.errno in _FULL


def missing(place: Path, *, doing: str) -> StepFailed:
    """Return the error of a program of ours that found no room at a place."""
    return StepFailed(
        "no-room",
        what=f"{doing} stopped for want of room on this machine",
        why=left(place),
        state="the source was only read; the copy is incomplete and begins again on the next run",
        next=f"make room in {place}, then dcshift run",
    )


def _nearest(place: Path) -> Path:
    return next(folder for folder in (place, *place.parents) if folder.exists())
