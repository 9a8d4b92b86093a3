"""Hashes every file of a tree on both sides, reading it there; nothing is installed or written at the source."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from migration.movers import programs
from migration.movers.folder_job import NOT_OF_THE_TREE, FolderJob
from migration.movers.spread import spread

# Every Python from 3.5 on runs it. It looks for the files by itself: what `find` did not list would be missed by both.
# A thousand at a time: a pool takes all that it is given at once, and the source's memory is its application's.
_SCRIPT: Final = """
import concurrent.futures, hashlib, itertools, os, sys
root, workers, without = os.fsencode(sys.argv[1]), int(sys.argv[2]), [os.fsencode(name) for name in sys.argv[3:]]
def paths():
    for folder, folders, names in os.walk(root, onerror=fail):
        if folder == root:
            folders[:] = [name for name in folders if name not in without]
        for name in names:
            full = os.path.join(folder, name)
            if os.path.isfile(full) and not os.path.islink(full):
                yield full
def fail(error):
    if not isinstance(error, FileNotFoundError):
        raise error
def read(full):
    try:
        seen = hashlib.sha256()
        with open(full, "rb", buffering=0) as file:
            while True:
                piece = file.read(1 << 20)
                if not piece:
                    return full, seen.hexdigest()
                seen.update(piece)
    except FileNotFoundError:
        return full, "?"
out = sys.stdout.buffer
every = paths()
with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    while True:
        some = list(itertools.islice(every, 1000))
        if not some:
            break
        for full, said in pool.map(read, some):
            out.write(os.path.relpath(full, root) + b"\\0" + said.encode() + b"\\0")
out.write(b"end\\0")
"""
_HASH: Final = re.compile(r"[0-9a-f]{64}|\?")
_PIECE_BYTES: Final = 1024 * 1024


def of_source(job: FolderJob) -> dict[bytes, str]:
    """Return the SHA-256 of every regular file at the source; `?` for one that went while it was read.

    Raises `StepFailed`: mover-program-failed, program-not-believed.
    """
    doing = f"hashing the files of {job.system}/{job.name}"
    words = [f"{job.source.rstrip('/')}/", str(job.workers), *NOT_OF_THE_TREE]
    ask = [*(job.become if job.reach else []), "python3", "-I", "-c", _SCRIPT, *words]
    argv = [*job.reach, shlex.join(ask)] if job.reach else ask
    out = programs.run_raw(argv, dict(os.environ), doing=doing, timeout_seconds=job.pull_seconds_max)
    said = out.split(b"\0")
    if said[-2:] != [b"end", b""] or len(said) % 2:
        raise programs.unbelieved("python3", "it did not say that it came to the end", doing=doing)
    answers = iter(said[:-2])
    found = {path: hashed.decode(errors="replace") for path, hashed in zip(answers, answers, strict=True)}
    if odd := next((hashed for hashed in found.values() if not _HASH.fullmatch(hashed)), None):
        raise programs.unbelieved("python3", f"{odd[:80]!r} is no hash", doing=doing)
    return found


def of_target(job: FolderJob, paths: Iterable[bytes], on_done: Callable[[int], None]) -> dict[bytes, str]:
    """Return the SHA-256 of these files of the folder, `?` for one that is gone; `on_done` is told of bytes read."""
    found: dict[bytes, str] = {}

    def read(path: bytes) -> tuple[bytes, str, int]:
        return (path, *_of_file(job.folder / os.fsdecode(path)))

    def take(said: tuple[bytes, str, int]) -> None:
        path, found[path], size = said
        on_done(size)

    spread(paths, read, workers=job.workers, on_done=take)
    return found


def _of_file(full: Path) -> tuple[str, int]:
    seen, size = hashlib.sha256(), 0
    try:
        file = os.open(full, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return "?", 0
    try:
        # What was written is to be read from where it lies, not from memory.
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := os.read(file, _PIECE_BYTES):
            seen.update(piece)
            size += len(piece)
    finally:
        os.close(file)
    return seen.hexdigest(), size
