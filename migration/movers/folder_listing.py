"""Reads a target folder again: by nothing that carried anything there, and by no other program."""

from __future__ import annotations

import base64
import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from migration.movers.files_attributes import NONE
from migration.movers.files_listing import FILE, FOLDER, LINK, Described, Found, Seen
from migration.movers.folder_job import NOT_OF_THE_TREE

_T = TypeVar("_T")
TOP: Final = b""
"""The path of the folder itself."""
_KINDS: Final = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFLNK: LINK,
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "FIFO",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "character device",
}
_HAS_NONE: Final = (errno.EOPNOTSUPP, errno.ENODATA, errno.ENOENT)


def walk(folder: Path) -> Seen:
    """Return what a tree holds, itself as the empty path, with attributes; without what is ours in it."""
    root = os.fsencode(folder)
    seen = Seen({}, {})
    _note(seen, TOP, root, os.lstat(root))
    waiting = [TOP]
    while waiting:
        inside = waiting.pop()
        try:
            opened = os.scandir(root + b"/" + inside)
        except (FileNotFoundError, NotADirectoryError):
            if inside == TOP:
                raise
            for noted in (seen.described, seen.times):
                noted.pop(inside, None)
            continue  # after the release the target's application removes what it likes
        with opened as entries:
            for entry in entries:
                path = inside + b"/" + entry.name if inside else entry.name
                if os.fsdecode(path) in NOT_OF_THE_TREE:
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                    _note(seen, path, entry.path, status)
                except FileNotFoundError:
                    seen.described.pop(path, None)
                    continue  # as above
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(path)
    return seen


def tree_only(seen: Seen) -> Seen:
    """Return what the source listed without what is never carried."""

    def is_kept(path: bytes) -> bool:
        return os.fsdecode(path.partition(b"/")[0]) not in NOT_OF_THE_TREE

    def kept(of: Mapping[bytes, _T]) -> dict[bytes, _T]:
        return {path: one for path, one in of.items() if is_kept(path)}

    return Seen(kept(seen.files), kept(seen.described), kept(seen.times), kept(seen.same), kept(seen.thin))


def _note(seen: Seen, path: bytes, full: bytes, status: os.stat_result) -> None:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "unknown kind")
    # Word for word: a Path would make `a//b` and `a/` plain.
    leads_to = os.readlink(full) if kind == LINK else b""  # noqa: PTH115
    mode = stat.S_IMODE(status.st_mode)
    seen.described[path] = Described(
        kind, leads_to, mode, status.st_uid, status.st_gid, status.st_nlink, status.st_ctime_ns, _attributes(full)
    )
    if kind != FILE:
        seen.times[path] = status.st_mtime_ns
        return
    seen.files[path] = Found(status.st_size, status.st_mtime_ns, mode)
    if status.st_nlink > 1:
        seen.same[path] = f"{status.st_dev}:{status.st_ino}".encode()


def _attributes(full: bytes) -> str:
    """Return extended attributes as `files_attributes` writes those of the source."""
    found = {}
    try:
        for name in os.listxattr(full, follow_symlinks=False):
            value = os.getxattr(full, name, follow_symlinks=False)
            found[name] = base64.b64encode(value).decode()
    except OSError as error:
        if error.errno not in _HAS_NONE:
            raise
    return json.dumps(found, sort_keys=True) if found else NONE
