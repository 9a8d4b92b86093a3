"""Turn folders into layers of container images, the same bytes for the same content; it never changes a folder.

A layer is an uncompressed tar: images stay on this machine, so compressing them would only cost time.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

# What a container never reads. Kept: package lists of dpkg, compiled locales.
TRIMMED: Final = (
    "dev", "proc", "run", "sys", "tmp", "boot", "media", "mnt",
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/bug", "usr/share/locale",
    "var/cache", "var/lib/apt/lists", "var/log", "var/tmp", "usr/sbin/policy-rc.d",
    "etc/apt/sources.list", "etc/resolv.conf", "etc/hostname", "etc/hosts", "etc/machine-id",
)  # fmt: skip
_SKELETON: Final = {"dev": 0o755, "proc": 0o555, "run": 0o755, "sys": 0o555, "tmp": 0o1777, "var/tmp": 0o1777}


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder of this machine and where it stands in the image.

    `below` leaves out what an earlier layer has; `trimmed` are paths, `without` are names to leave out.
    """

    root: Path
    at: str = ""
    below: Path | None = None
    trimmed: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    skeleton: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link that is written into a layer as such."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    owner: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """Folders and single entries that make one layer, in this order."""

    trees: tuple[Tree, ...] = ()
    entries: tuple[Entry, ...] = field(default=())


def write_layer(layer: Layer, out: IO[bytes]) -> None:
    """Write the layer as a tar. Owners, modes, links and times are kept; devices and sockets are left out."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as archive:
        for tree in layer.trees:
            if tree.skeleton:
                for name, mode in _SKELETON.items():
                    archive.addfile(_folder(name, mode))
            _write_tree(archive, tree)
        for entry in layer.entries:
            archive.addfile(_info(entry), io.BytesIO(entry.content))


def _write_tree(archive: tarfile.TarFile, tree: Tree) -> None:
    hard_links: dict[tuple[int, int], str] = {}
    for relative in _walk(tree.root, tree):
        path = tree.root / relative
        status = path.lstat()
        if tree.below is not None and _same(status, path, tree.below / relative):
            continue
        name = f"{tree.at}/{relative}".strip("/")
        first = hard_links.setdefault((status.st_dev, status.st_ino), name)
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        info.mtime = int(status.st_mtime)
        if stat.S_ISLNK(status.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115  the link as it is written
            archive.addfile(info)
        elif stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        elif stat.S_ISREG(status.st_mode) and first != name and status.st_nlink > 1:
            info.type, info.linkname = tarfile.LNKTYPE, first
            archive.addfile(info)
        elif stat.S_ISREG(status.st_mode):
            info.size = status.st_size
            with path.open("rb") as content:
                archive.addfile(info, content)
    if tree.below is not None:
        for relative in _walk(tree.below, tree):
            if not os.path.lexists(tree.root / relative) and os.path.lexists((tree.root / relative).parent):
                gone = (Path(tree.at) / relative).with_name(f".wh.{Path(relative).name}")
                archive.addfile(tarfile.TarInfo(str(gone)))


def _walk(root: Path, tree: Tree) -> Iterator[str]:
    """Yield the relative paths below a folder, sorted, folders before what is in them."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        inner = []
        for entry in sorted(os.scandir(root / folder), key=lambda found: found.name):
            relative = f"{folder}/{entry.name}".lstrip("/")
            if relative in tree.trimmed or entry.name in tree.without:
                continue
            yield relative
            if entry.is_dir(follow_symlinks=False):
                inner.append(relative)
        waiting.extend(reversed(inner))


def _same(status: os.stat_result, path: Path, other: Path) -> bool:
    try:
        found = other.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if (status.st_mode, status.st_uid, status.st_gid) != (found.st_mode, found.st_uid, found.st_gid):
        return False
    if stat.S_ISDIR(status.st_mode):
        return True
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path) == os.readlink(other)  # noqa: PTH115  the links as they are written
    return status.st_size == found.st_size and int(status.st_mtime) == int(found.st_mtime)


def _folder(name: str, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info


def _info(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path.strip("/"))
    info.mode, info.uid, info.gid, info.size = entry.mode, entry.owner, entry.owner, len(entry.content)
    if entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
    elif entry.path.endswith("/"):
        info.type = tarfile.DIRTYPE
    return info


def file_entry(path: str, source: Path, mode: int = 0o755) -> Entry:
    """Return an entry with the content of a file of this machine."""
    return Entry(path, source.read_bytes(), mode)


def account_entries(accounts: Mapping[str, int], homes: str = "/tmp") -> tuple[Entry, ...]:  # noqa: S108  in the image
    """Return /etc/passwd and /etc/group of an image that has no other accounts than root and these."""
    users = {"root": 0, **accounts}
    passwd = "".join(f"{name}:x:{number}:{number}::{homes}:/usr/sbin/nologin\n" for name, number in users.items())
    group = "".join(f"{name}:x:{number}:\n" for name, number in users.items())
    return Entry("etc/passwd", passwd.encode()), Entry("etc/group", group.encode())
