"""Tries what a target's file system really keeps, with files of ours that are removed again; nothing is inferred."""

from __future__ import annotations

import contextlib
import os
import shutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from migration.movers.folder_job import FolderJob

_TIME_NS: Final = 1_234_567_890_123_456_789
_NUMBER: Final = 65_521
_ACL: Final = bytes.fromhex(
    "02000000" + "01000600ffffffff" + "0200040021000000" + "04000400ffffffff" + "10000400ffffffff" + "20000400ffffffff"
)
_NAME: Final = "Đơn đề nghị"
_NAMES: Final = (
    unicodedata.normalize("NFC", _NAME).encode(),
    unicodedata.normalize("NFD", _NAME).encode(),
    _NAME.upper().encode(),
    b"nh\xe0 \xff",
    b"line\nbreak",
    b"back\\slash",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file system keeps."""

    owners: bool
    acls: bool
    attributes: bool
    hard_links: bool
    links: bool
    times: bool
    """Of files, folders and links, in nanoseconds."""
    names: bool
    """Byte for byte: both Unicode forms, large and small letters, what is no text at all."""

    @property
    def lacks(self) -> list[str]:
        return [one.name.replace("_", "-") for one in fields(self) if not getattr(self, one.name)]


def kept(job: FolderJob) -> Kept:
    """Try it in the folder, which is ours, and leave nothing there."""
    place = job.ours / "probe"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    try:
        return of(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def of(place: Path) -> Kept:
    """Try it in an empty folder."""
    (place / "file").write_bytes(b"x")
    return Kept(
        owners=_owners(place / "file"),
        acls=_attribute(place / "file", "system.posix_acl_access", _ACL),
        attributes=_attribute(place / "file", "user.dcshift", b"\x00\xff"),
        hard_links=_hard_links(place),
        links=_links(place),
        times=_times(place),
        names=_names(place),
    )


def limited(found: Kept, without: Iterable[str]) -> Kept:
    """Return what is to be kept where people decided to do without some of it."""
    given = {word.replace("-", "_") for word in without}
    return Kept(**{one.name: getattr(found, one.name) and one.name not in given for one in fields(found)})


def _owners(file: Path) -> bool:
    with contextlib.suppress(OSError):
        os.chown(file, _NUMBER, _NUMBER)
        found = file.stat()
        return (found.st_uid, found.st_gid) == (_NUMBER, _NUMBER)
    return False


def _attribute(file: Path, name: str, value: bytes) -> bool:
    with contextlib.suppress(OSError):
        os.setxattr(file, name, value)
        return os.getxattr(file, name) == value
    return False


def _hard_links(place: Path) -> bool:
    with contextlib.suppress(OSError):
        os.link(place / "file", place / "second")
        return (place / "second").stat().st_ino == (place / "file").stat().st_ino
    return False


def _links(place: Path) -> bool:
    with contextlib.suppress(OSError):
        (place / "link").symlink_to("nowhere\n")
        return str((place / "link").readlink()) == "nowhere\n"
    return False


def _times(place: Path) -> bool:
    (place / "folder").mkdir()
    with contextlib.suppress(OSError):
        for name in ("file", "folder", "link"):
            if (place / name).is_symlink() or (place / name).exists():
                os.utime(place / name, ns=(_TIME_NS, _TIME_NS), follow_symlinks=False)
        return all((place / name).lstat().st_mtime_ns == _TIME_NS for name in ("file", "folder", "link"))
    return False


def _names(place: Path) -> bool:
    (place / "names").mkdir()
    with contextlib.suppress(OSError):
        for name in _NAMES:
            (place / "names" / os.fsdecode(name)).open("xb").close()
        return sorted(os.fsencode(one.name) for one in (place / "names").iterdir()) == sorted(_NAMES)
    return False
