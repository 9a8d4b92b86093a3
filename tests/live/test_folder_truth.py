"""Differences of every kind, planted between a tree and its folder: each is named, and the next pass mends it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from migration.movers import folder, folder_proof
from migration.movers.files_index import Index
from migration.movers.folder_job import FolderJob
from tests.support.moving_folders import (
    ACL,
    ALSO_HARD,
    DEFAULT_ACL,
    HARD,
    ONE,
    READABLE_BY_33,
    THREE,
    TWO,
    as_it_is,
    job,
    tree,
)

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files other owners"),
]


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> FolderJob:
    place = tmp_path_factory.mktemp("folder")
    made = job(tree(place / "templates"), place)
    folder.replicate(made, Index(made.staging))
    return made


def flipped(path: Path) -> None:
    """Change one bit and neither size nor time."""
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def parted(path: Path) -> None:
    """Make a name's content a file of its own, the same in all else."""
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def joined(path: Path) -> None:
    status, other = path.stat(), path.with_name("tệp số 14.pdf")
    other.unlink()
    other.hardlink_to(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path) -> None:
    path.unlink()
    path.mkdir()


def relinked(path: Path) -> None:
    path.unlink()
    path.symlink_to("ho-so/02")


PLANTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "size": (ONE, lambda path: path.write_bytes(b"x"), f"file {ONE}: differs (size, time)"),
    "time": (ONE, lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)), f"file {ONE}: differs (time)"),
    "mode": (ONE, lambda path: path.chmod(0o600), f"file {ONE}: differs (mode)"),
    "owner": (THREE, lambda path: os.chown(path, 0, -1), f"file {THREE}: differs (mode, owner)"),
    "group": (TWO, lambda path: os.chown(path, -1, 7), f"file {TWO}: differs (group)"),
    "attribute": (ONE, lambda path: os.removexattr(path, "user.ghi-chu"), "differs (attribute user.ghi-chu)"),
    "attribute added": (TWO, lambda path: os.setxattr(path, "user.x", b""), "differs (attribute user.x)"),
    "acl": (TWO, lambda path: os.removexattr(path, ACL), f"attribute {ACL})"),
    "folder's acl": ("trống", lambda path: os.removexattr(path, DEFAULT_ACL), f"(attribute {DEFAULT_ACL})"),
    "folder's mode": ("trống", lambda path: path.chmod(0o755), "folder trống: differs (mode)"),
    "folder's time": ("trống/hơn", lambda path: os.utime(path, ns=(0, 0)), "folder trống/hơn: differs (time)"),
    "folder gone": ("trống/hơn", Path.rmdir, "folder trống/hơn: is missing in the folder"),
    "top's mode": ("", lambda path: path.chmod(0o700), "folder .: differs (mode)"),
    "file gone": (ONE, Path.unlink, f"file {ONE}: is missing in the folder"),
    "file added": ("lạ/thừa", Path.touch, "file lạ/thừa: is only in the folder"),
    "link leads": ("link", relinked, "leads to ho-so/01 at the source, to ho-so/02 in the folder"),
    "link's owner": ("absolute", lambda path: os.lchown(path, 0, 0), "symbolic link absolute: differs (owner, group)"),
    "kind": (ONE, replaced, f"file {ONE}: is a file at the source and a folder in the folder"),
    "names parted": (HARD, parted, f"file {HARD}: is shared by other names"),
    "names joined": (ONE, joined, f"file {ONE}: is shared by other names"),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_difference_is_named_and_mended(plant: str, order: FolderJob) -> None:
    path, change, named = PLANTS[plant]
    index = Index(order.staging)
    change(order.folder / path)
    proof = folder_proof.prove(order, index, frozen=True, full=False)
    folder.replicate(order, index)
    assert not proof.passed
    assert named in str(proof.differences)
    again = folder_proof.prove(order, index, frozen=True, full=False)
    assert again.passed, again.differences


def test_other_bytes_under_the_same_size_and_time_are_found_when_both_sides_are_read(order: FolderJob) -> None:
    index = Index(order.staging)
    flipped(order.folder / ONE)
    assert folder_proof.prove(order, index, frozen=True, full=False).passed, "only reading finds it"
    proof = folder_proof.prove(order, index, frozen=True, full=True)
    flipped(order.folder / ONE)
    assert proof.differences == (f"file {ONE}: differs (content)",)
    assert folder_proof.prove(order, index, frozen=True, full=True).passed


def test_the_manifest_says_how_the_source_was(order: FolderJob) -> None:
    proof = folder_proof.prove(order, Index(order.staging), frozen=True, full=True)
    text = Path(str(proof.figures["manifest"])).read_text()
    said = {line["path"]: line for line in map(json.loads, text.splitlines())}
    assert len(said) == len(as_it_is(order.folder))
    assert len(said[ONE]["sha256"]) == 64
    assert (said[THREE]["owner"], said[THREE]["group"], said[THREE]["mode"]) == (33, 34, "4750")
    assert said[HARD]["shared_with"] == [ALSO_HARD]
    assert said["link"]["leads_to"] == "ho-so/01"
    assert said["trống/hơn"]["mtime_ns"] == 1_600_000_000_123_456_789
    assert said["lạ/nh\\xe0 \\xff.txt"]["path_base64"]
    assert READABLE_BY_33 and ACL in said[TWO]["attributes"]
