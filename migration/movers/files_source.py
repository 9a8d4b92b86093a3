"""Brings the source's tree into our staging folder with rsync, and compares both; it never writes at the source."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from migration.errors import StepFailed
from migration.movers import files_listing, lines, programs, room, rsync
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import Found
from migration.movers.files_names import shown
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle

READING = "reading the source"
"""What a mover is said to do meanwhile."""
_KEPT_FREE_BYTES = 16 * 1024 * 1024
"""What a copy must leave: the journal and the logs often lie on the same disk, and must still be able to say so."""
# Links are not brought: a bucket has none. `files_listing` names them, so rsync need not.
_KEPT = ("--perms", "--times", "--omit-dir-times", "--info=nonreg0")
_COUNTED = re.compile(r"^Number of files: [0-9]", re.MULTILINE)


def pull(job: FilesJob, *, frozen: bool, throttle: Throttle | None = None, sparing: Sparing | None = None) -> None:
    """Make the staging tree equal to the source; deletions too.

    While the source is in use files may vanish between listing and reading; under the freeze, in which nobody gives a
    throttle, that is an error. How long it may take is counted from where rsync began last.
    """
    job.tree.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(rate: int | None, is_to_end: Callable[[], bool]) -> bool:
        argv = _rsync(job, ["--recursive", "--delete", *([f"--bwlimit={rate // 1024}"] if rate else [])])
        return rsync.run(job, argv, (), frozen=frozen, full=lambda why: full(job, why), until=is_to_end)

    with contextlib.nullcontext() if sparing is None else sparing.reading(say_waiting):
        rsync.paced(begin, throttle or Throttle(None), sparing)


def say_waiting(waits: str | None) -> None:
    """Say why reading the source waits."""
    lines.progress(READING, 0, None, "files", waits=waits)


def pull_some(job: FilesJob, paths: Iterable[bytes]) -> None:
    """Bring these files alone, under the freeze."""
    argv = _rsync(job, ["--from0", "--files-from=-"])
    rsync.run(job, argv, paths, frozen=True, full=lambda why: full(job, why))


def full(job: FilesJob, why: str) -> StepFailed:
    """Return the error of a staging folder that is too small; it names the place and what is free there."""
    return StepFailed(
        "staging-full",
        what=f"the files of {job.system}/{job.name} do not fit on this machine",
        why=f"{room.left(job.staging)}; {why}",
        state="the source was only read and serves; nothing is lost",
        next=f"make room in {job.staging}, or move DCSHIFT_STATE, then dcshift run",
    )


def assert_room(job: FilesJob) -> None:
    """Raise `StepFailed` (staging-full) before a byte is brought that would not fit beside what we keep free.

    What cannot be carried at all needs no room: it is said first.
    """
    job.tree.mkdir(mode=0o700, parents=True, exist_ok=True)
    brought = scan(job)
    listed = files_listing.look(job, frozen=False).carriable(job).files
    wanted = [file for path, file in listed.items() if brought.get(path) != file]
    needed, entries = sum(file.size for file in wanted), room.free_entries(job.staging)
    if needed + _KEPT_FREE_BYTES > room.free_bytes(job.staging) or (entries is not None and len(wanted) > entries):
        kept = f"{_KEPT_FREE_BYTES:,} are kept free for the journal"
        raise full(job, f"{len(wanted):,} more files with {needed:,} bytes are to come, and {kept}")


@dataclass(frozen=True, slots=True)
class Odd:
    """One file that differs between source and staging."""

    name: str
    what: str
    modified: datetime | None
    """When the source's file was last changed; None when it is not there."""


def compare(job: FilesJob, *, content: bool) -> list[Odd]:
    """Return files that differ between source and staging; `content` reads every byte on both sides.

    Folders and symbolic links are none: an object has no folder, and links are not carried. A file in whose place a
    link has come is one.
    """
    options = ["--recursive", "--delete", "--dry-run", "--stats", "--out-format=%i|%M|%n"]
    if content:
        options.append("--checksum")
    out = rsync.said(job, [*_KEPT, *options], job.tree, doing="comparing the files")
    if not _COUNTED.search(out):
        # Equal trees and a program that did nothing look alike, but for its figures.
        raise programs.unbelieved("rsync", "it did not say how many files it compared", doing="comparing the files")
    found = []
    for line in out.splitlines():
        flags, _, rest = line.partition("|")
        when, _, name = rest.partition("|")
        if line.startswith("*deleting"):
            if _is_file(job, name, if_absent=not name.endswith("/")):
                found.append(Odd(name, "is gone at the source", None))
        elif len(flags) > 2 and flags[0] in ">c" and flags[1] == "f":
            modified = datetime.strptime(when, "%Y/%m/%d-%H:%M:%S").replace(tzinfo=UTC)
            what = "is new at the source" if "+" in flags else f"differs ({_words(flags)})"
            found.append(Odd(name, what, modified))
    # rsync passes over what is no file, and so over a file that became one.
    for path, kind in files_listing.look(job, frozen=False).others.items():
        if _is_file_here(job, path, if_absent=False):
            found.append(Odd(shown(path), f"is a {kind} at the source", None))
    return found


def _is_file(job: FilesJob, name: str, *, if_absent: bool) -> bool:
    """Say whether this name, as rsync writes it, is a file in the staging tree."""
    here = re.sub(rb"\\#([0-7]{3})", lambda code: bytes([int(code[1], 8)]), os.fsencode(name.rstrip("/")))
    return _is_file_here(job, here, if_absent=if_absent)


def _is_file_here(job: FilesJob, here: bytes, *, if_absent: bool) -> bool:
    try:
        status = (job.tree / os.fsdecode(here)).lstat()
    except OSError:
        return if_absent
    return not (stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode))


_FLAGS = {"c": "content", "s": "size", "t": "time", "p": "mode"}


def _words(flags: str) -> str:
    return ", ".join(word for letter, word in _FLAGS.items() if letter in flags[2:])


def _rsync(job: FilesJob, options: list[str]) -> list[str]:
    return rsync.words(job, [*_KEPT, *options], job.tree)


def scan(job: FilesJob) -> dict[bytes, Found]:
    """Return the regular files of the staging tree by relative path; an earlier version brought links, too."""
    files: dict[bytes, Found] = {}
    root = os.fsencode(job.tree)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                path = os.path.relpath(entry.path, root) if folder == root else entry.path[len(root) + 1 :]
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry.path)
                elif stat.S_ISREG(status.st_mode):
                    files[path] = Found(status.st_size, status.st_mtime_ns, status.st_mode & 0o7777)
    return files
