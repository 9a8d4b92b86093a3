"""A tree with everything that a file system holds, and the job that carries it into a folder of this machine."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import stat
from pathlib import Path
from typing import Any

from migration.movers import files
from migration.movers.folder_job import NOT_OF_THE_TREE, FolderJob
from tests.support.moving_files import ODD, Here

ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
READABLE_BY_33 = bytes.fromhex(
    "02000000" + "01000600ffffffff" + "0200040021000000" + "04000400ffffffff" + "10000400ffffffff" + "20000400ffffffff"
)
ONE, TWO, THREE = "ho-so/01/tệp số 1.pdf", "ho-so/02/tệp số 2.pdf", "ho-so/03/tệp số 3.pdf"
HARD, ALSO_HARD = "cứng/một", "ho-so/00/hai"
HOLES_BYTES = 33 * 1024 * 1024
"""Two of them are more than goes at once with the rest."""
_OLD_NS = 1_600_000_000_123_456_789


def tree(folder: Path, files: int = 40) -> Path:
    """Make it: contents, names, modes, owners, times, attributes, links of both kinds, holes, empty folders."""
    chance = random.Random(7)
    for number in range(files):
        path = folder / f"ho-so/{number % 13:02}/tệp số {number}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(int(chance.lognormvariate(8, 1))))
        os.utime(path, ns=(_OLD_NS, _OLD_NS + number))
    (folder / "lạ").mkdir()
    for name in (*ODD, b"#hash", b";x", b"*", b"~", b"a" * 250, b" ", b".hidden", b"-n"):
        (folder / "lạ" / os.fsdecode(name)).write_bytes(b"" if name == b"empty.txt" else name)
    for number in range(2):
        with (folder / f"lỗ {number}").open("wb") as holes:
            holes.truncate(HOLES_BYTES)
            holes.seek(HOLES_BYTES // 2)
            holes.write(b"middle")
    (folder / "cứng").mkdir()
    (folder / HARD).write_bytes(chance.randbytes(10_000))
    (folder / ALSO_HARD).hardlink_to(folder / HARD)
    (folder / "trống" / "hơn").mkdir(parents=True)
    for name, leads in (("link", "ho-so/01"), ("lạ/link", "../nowhere//at all/"), ("absolute", "/etc/passwd")):
        (folder / name).symlink_to(leads)
        os.utime(folder / name, ns=(_OLD_NS, _OLD_NS), follow_symlinks=False)
    os.lchown(folder / "absolute", 33, 34)
    (folder / ONE).chmod(0o604)
    os.setxattr(folder / ONE, "user.ghi-chu", b"tr\xc6\xb0\xe1\xbb\x9bc")
    os.setxattr(folder / TWO, ACL, READABLE_BY_33)
    os.chown(folder / THREE, 33, 34)
    (folder / THREE).chmod(0o4750)
    os.setxattr(folder / "trống", DEFAULT_ACL, READABLE_BY_33)
    (folder / "trống").chmod(0o2770)
    os.utime(folder / "trống/hơn", ns=(_OLD_NS, _OLD_NS))
    folder.chmod(0o751)
    os.utime(folder, ns=(_OLD_NS, _OLD_NS))
    return folder


def job(source: Path, place: Path, **other: Any) -> FolderJob:
    """Return the job into an empty folder below `place`; the source is reached as a host is."""
    (place / "volume").mkdir(exist_ok=True)
    whole = {
        "system": "portal",
        "name": "templates",
        "token": 1,
        "source": str(source),
        "reach": Here(place).transport("files1"),
        "folder": place / "volume",
        "staging": place / "staging",
    }
    return FolderJob.model_validate(whole | other)


def as_it_is(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """Return all that we promise to carry of a tree, read by nothing of the product's."""
    found: dict[bytes, tuple[object, ...]] = {}
    names: dict[int, list[bytes]] = {}
    for full in (folder, *sorted(folder.rglob("*"))):
        path = os.fsencode(full.relative_to(folder))
        if os.fsdecode(path).split("/")[0] in NOT_OF_THE_TREE:
            continue
        status = full.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(full)  # noqa: PTH115 (word for word)
        elif stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(full.read_bytes()).hexdigest()
            names.setdefault(status.st_ino, []).append(path)
        said = {one: os.getxattr(full, one, follow_symlinks=False) for one in os.listxattr(full, follow_symlinks=False)}
        found[path] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content, sorted(said.items()))
    for many in names.values():
        for path in many:
            found[path] += (tuple(many),)
    return found


def typed(verb: str, job: FolderJob, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the program with the words that people type; return its exit status and its last line."""
    order = job.staging.with_name("job.json")
    order.write_text(job.model_dump_json())
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = files.main(["--job", str(order), "--do", verb, *options])
    return status, json.loads(out.getvalue().splitlines()[-1])
