"""Asks the source what it holds, in a fifth of the time that rsync needs for both sides; it only reads."""

from __future__ import annotations

import fnmatch
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from migration.errors import StepFailed
from migration.movers import programs
from migration.movers.files_job import FilesJob
from migration.movers.files_names import is_nameable, shown
from migration.movers.object_size import too_large
from migration.movers.tree_job import TreeJob

FILE, FOLDER, LINK = "file", "folder", "symbolic link"
_KINDS: Final = {
    b"f": FILE,
    b"d": FOLDER,
    b"l": LINK,
    b"s": "socket",
    b"p": "FIFO",
    b"b": "block device",
    b"c": "character device",
}
# A link's words and a path may hold anything but a zero byte.
_WORDS: Final = r"%y %s %b %T@ %C@ %m %U %G %n %D:%i\0%l\0%P\0"
_BLOCK_BYTES: Final = 512
_DOING: Final = "listing the files"


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a tree."""

    size: int
    mtime_ns: int
    mode: int


@dataclass(frozen=True, slots=True)
class Described:
    """Whatever lies in a tree, without its content."""

    kind: str
    leads_to: bytes
    """What a link says; of anything else, nothing."""
    mode: int
    owner: int
    group: int
    """Numbers: who has them is the source host's own knowledge."""
    links: int
    changed_ns: int
    """When anything of it last changed by the source's clock (ctime); 0 when that says nothing."""
    attributes: str | None = None
    """Extended attributes, ACLs among them, as `files_attributes` writes them; None as long as nobody read them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the source holds, by relative path."""

    files: dict[bytes, Found]
    described: dict[bytes, Described]
    times: dict[bytes, int] = field(default_factory=dict)
    """When what is no file was last modified, in nanoseconds."""
    same: dict[bytes, bytes] = field(default_factory=dict)
    """Of files with more than one name: which file it is."""
    thin: dict[bytes, int] = field(default_factory=dict)
    """Of files that take less room than they are long: how many bytes."""

    @property
    def others(self) -> dict[bytes, str]:
        """The kind of everything that is neither a file nor a folder."""
        return {path: one.kind for path, one in self.described.items() if one.kind not in (FILE, FOLDER)}

    def decided(self, job: FilesJob) -> Seen:
        """Return this; raises `StepFailed` (not-a-file) when it has what nobody decided to leave behind."""
        others = self.others
        if unknown := sorted(path for path in others if not is_left_behind(job, path)):
            raise _not_a_file(job, unknown, others)
        return self

    def carriable(self, job: FilesJob) -> Seen:
        """Return this; raises `StepFailed`: not-a-file, name-too-long, file-too-large."""
        self.decided(job)
        assert_carriable(job, self.files)
        return self


def assert_carriable(job: FilesJob, files: Mapping[bytes, Found]) -> None:
    """Raise `StepFailed` (name-too-long, file-too-large) when files cannot be objects."""
    if bad := sorted(shown(path) for path in files if not is_nameable(path)):
        raise StepFailed(
            "name-too-long",
            what=f"{len(bad)} files have names that no object can have",
            why=f"a key has 1024 bytes at most: {', '.join(name[:80] for name in bad[:3])}",
            state="nothing of this pass was carried",
            next="shorten these names at the source, then dcshift run",
        )
    large = {path: why for path, one in files.items() if (why := too_large(one.size, job.part_bytes))}
    if large:
        named = (f"{shown(path)} with {files[path].size:,} bytes ({large[path]})" for path in sorted(large)[:3])
        raise StepFailed(
            "file-too-large",
            what=f"{len(large)} files of {job.system}/{job.name} are larger than an object can be",
            why=", ".join(named),
            state="nothing of this pass was carried; the source was only read and serves",
            next="take them out of the set or make them smaller at the source, then dcshift run",
        )


def look(job: TreeJob, *, frozen: bool, top: bool = False) -> Seen:
    """List the source, and with `top` its own folder as the empty path.

    A file that goes while it is looked at is an error under the freeze only. Raises `StepFailed`: mover-program-failed,
    program-not-believed.
    """
    find = [*job.become] if job.reach else []
    # With the slash a source that is itself a link (`uploads -> shared/uploads`) is followed, as rsync follows it.
    find += ["find", f"{job.source.rstrip('/')}/", *([] if frozen else ["-ignore_readdir_race"])]
    find += [*([] if top else ["-mindepth", "1"]), "-printf", _WORDS]
    argv = [*job.reach, shlex.join(find)] if job.reach else find
    out = programs.run_raw(argv, dict(os.environ), doing=_DOING, timeout_seconds=job.pull_seconds_max)
    try:
        seen = _seen(out)
    except ValueError as odd:
        raise programs.unbelieved("find", f"its answer cannot be read: {odd}", doing=_DOING) from odd
    _assert_within(seen)
    return seen


def _seen(out: bytes) -> Seen:
    seen = Seen({}, {})
    for said, leads_to, path in _threes(out):
        letter, size, blocks, time, changed, mode, owner, group, links, inode = said.split(b" ")
        kind, bits = _KINDS.get(letter, "unknown kind"), int(mode, 8)
        seen.described[path] = Described(
            kind, leads_to, bits, int(owner), int(group), int(links), _nanoseconds(changed)
        )
        if kind != FILE:
            seen.times[path] = _nanoseconds(time)
            continue
        seen.files[path] = Found(int(size), _nanoseconds(time), bits)
        if int(links) > 1:
            seen.same[path] = inode
        if (taken := int(blocks) * _BLOCK_BYTES) < int(size):
            seen.thin[path] = taken
    return seen


def _assert_within(seen: Seen) -> None:
    """Raise `StepFailed` for a path that leads out of the tree: folders are made here by what the host says."""
    for path in seen.described:
        inside, slash, name = path.rpartition(b"/")
        holds = seen.described.get(inside) if inside else None
        if path and (name in (b"", b".", b"..") or (slash and (holds is None or holds.kind != FOLDER))):
            why = f"it names {shown(path)!r}, which lies in no folder that it lists"
            raise programs.unbelieved("find", why, doing=_DOING)


def _threes(out: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    words = iter(out.split(b"\0")[:-1])
    return zip(words, words, words, strict=True)


def _nanoseconds(time: bytes) -> int:
    seconds, _, fraction = time.partition(b".")
    return int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))


def is_left_behind(job: TreeJob, path: bytes) -> bool:
    """Say whether people decided in the catalogue not to carry this link or special file."""
    return any(fnmatch.fnmatchcase(shown(path), pattern) for pattern in job.left_behind)


def _not_a_file(job: FilesJob, unknown: list[bytes], others: dict[bytes, str]) -> StepFailed:
    named = ", ".join(f"{shown(path)} ({others[path]})" for path in unknown[:5])
    return StepFailed(
        "not-a-file",
        what=f"{len(unknown)} entries of {job.system}/{job.name} cannot become objects",
        why=f"they are neither files nor folders: {named}",
        state="nothing of this pass was carried; the source was only read and serves",
        next=f"put files in their place, or name them in source.files.{job.name}.left_behind; then survey and plan",
    )
