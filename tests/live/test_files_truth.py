"""Differences of every kind, planted between a tree and a real store: each is named, or is one that a page gives up."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.store_server import Store
from migration.adapters.files import BucketMove
from migration.model.words import Severity
from migration.movers.files_names import MANIFEST
from migration.movers.files_store import Store as Objects
from tests.support import moving_files
from tests.support.decay import decay
from tests.support.moving_files import failed, make, tree

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync"),
]
ONE, TWO = "ho-so/01/tệp số 1.pdf", "ho-so/02/tệp số 2.pdf"
EMPTY = "lạ/trống"


@pytest.fixture(scope="module")
def handed_over(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[BucketMove, Path]:
    return moving_files.handed_over(store, tmp_path_factory.mktemp("files"))


@pytest.fixture
def move(handed_over: tuple[BucketMove, Path]) -> Iterator[BucketMove]:
    """The move after its freeze; what a test plants, it takes away."""
    yield handed_over[0]
    assert failed(handed_over[0].prove(frozen=True, full=True)) == []


@pytest.fixture
def source(handed_over: tuple[BucketMove, Path]) -> Path:
    return handed_over[1]


def objects(move: BucketMove) -> Objects:
    return Objects(move._jobs[0])


def manifest(move: BucketMove) -> dict[str, dict[str, Any]]:
    lines = (objects(move).read(MANIFEST) or b"").splitlines()
    return {line["path"]: line for line in map(json.loads, lines)}


def said(move: BucketMove, *, full: bool) -> str:
    return "\n".join(failed(move.prove(frozen=True, full=full)))


def test_an_object_with_the_right_tag_and_other_bytes_is_found_when_it_is_read_back(
    store: Store, move: BucketMove, source: Path
) -> None:
    before = (source / ONE).read_bytes()
    objects(move).put_bytes(ONE, before)
    tag = objects(move).head(ONE)
    decay(store.folder, before, bytes([before[0] ^ 1]) + before[1:])
    assert objects(move).head(ONE) == tag
    assert said(move, full=False) == "", "its record says nothing of it: only reading does"
    assert f"file {ONE}: content differs (read back)" in said(move, full=True)
    objects(move).put_bytes(ONE, before)


@pytest.mark.parametrize("full", [False, True])
def test_a_mode_that_was_changed_in_the_freeze_is_found(full: bool, move: BucketMove, source: Path) -> None:
    mode = (source / ONE).stat().st_mode
    (source / ONE).chmod(0o600)
    found = said(move, full=full)
    (source / ONE).chmod(mode)
    assert f"file {ONE}: differs (mode)" in found


def test_a_mode_that_was_changed_before_the_freeze_is_carried(store: Store, tmp_path: Path) -> None:
    """It changes neither size nor time, and the manifest is the only place at the target that keeps it."""
    source = tree(tmp_path / "uploads", 20)
    move = make(store, source, tmp_path)
    move.prepare()
    move.replicate(lambda _: None)
    (source / ONE).chmod(0o600)
    move.converge()
    (source / TWO).chmod(0o604)
    move.hand_over()
    for full in (False, True):
        assert said(move, full=full) == ""
    assert (manifest(move)[ONE]["mode"], manifest(move)[TWO]["mode"]) == ("0600", "0604")


def test_a_link_in_a_files_place_is_found(move: BucketMove, source: Path) -> None:
    (source / ONE).rename(source / "aside")
    (source / ONE).symlink_to("../../aside")
    found = [said(move, full=full) for full in (False, True)]
    (source / ONE).unlink()
    (source / "aside").rename(source / ONE)
    assert f"{ONE} (symbolic link)" in found[0]
    assert f"file {ONE}: is a symbolic link at the source" in found[1]


def test_where_a_link_leads_is_in_the_manifest_and_compared(move: BucketMove, source: Path) -> None:
    """People decided to leave it; whoever makes it anew at the target must know where it led."""
    said_of_it = {name: manifest(move)["link"][name] for name in ("path", "left_behind", "leads_to")}
    assert said_of_it == {"path": "link", "left_behind": "symbolic link", "leads_to": "big.bin"}
    (source / "link").unlink()
    gone = [said(move, full=full) for full in (False, True)]
    (source / "link").symlink_to("lạ")
    found = [said(move, full=full) for full in (False, True)]
    (source / "link").unlink()
    (source / "link").symlink_to("big.bin")
    assert all("link link: is gone at the source" in each for each in gone)
    assert all("link link: leads to lạ at the source, led to big.bin when it was left behind" in each for each in found)


def test_a_folder_without_files_is_in_the_manifest_and_compared(move: BucketMove, source: Path) -> None:
    """A bucket has no place for it; an application may stop at its absence."""
    assert manifest(move)[EMPTY]["folder"] is True
    (source / EMPTY).rmdir()
    (source / "mới" / "trống").mkdir(parents=True)
    found = [said(move, full=full) for full in (False, True)]
    (source / "mới" / "trống").rmdir()
    (source / "mới").rmdir()
    (source / EMPTY).mkdir()
    for each in found:
        assert f"folder {EMPTY}: is gone at the source" in each
        assert "folder mới/trống: is new at the source" in each
        assert "folder mới:" not in each, "what lies in it is named"


ACL = "system.posix_acl_access"
READABLE_BY_33 = bytes.fromhex(
    "02000000" + "01000600ffffffff" + "0200040021000000" + "04000400ffffffff" + "10000400ffffffff" + "20000400ffffffff"
)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (lambda path: os.setxattr(path, "user.ghi-chu", b"x"), "(attribute user.ghi-chu)"),
        (lambda path: os.setxattr(path, ACL, READABLE_BY_33), f"attribute {ACL})"),
        (lambda path: os.chown(path, 33, -1), "(owner)"),
        (lambda path: os.chown(path, -1, 33), "(group)"),
        (lambda path: path.with_name("other name").hardlink_to(path), "(links)"),
    ],
    ids=["attribute", "acl", "owner", "group", "links"],
)
def test_what_describes_a_file_beside_its_content_is_compared(
    plant: Callable[[Path], object], named: str, move: BucketMove, source: Path
) -> None:
    path, before = source / ONE, (source / ONE).stat()
    plant(path)
    found = [said(move, full=full) for full in (False, True)]
    path.with_name("other name").unlink(missing_ok=True)
    for name in os.listxattr(path):
        os.removexattr(path, name)
    os.chown(path, before.st_uid, before.st_gid)
    path.chmod(before.st_mode)
    assert all(f"file {ONE}: differs (" in each and named in each for each in found), found


def test_owners_and_attributes_are_in_the_manifest(store: Store, tmp_path: Path) -> None:
    source = tree(tmp_path / "uploads", 20)
    move = make(store, source, tmp_path)
    os.setxattr(source / ONE, "user.ghi-chu", b"tr\xc6\xb0\xe1\xbb\x9bc")
    os.chown(source / TWO, 33, 34)
    os.setxattr(source / EMPTY, "user.ghi-chu", b"th\xc6\xb0 m\xe1\xbb\xa5c")
    move.prepare()
    move.replicate(lambda _: None)
    os.setxattr(source / TWO, ACL, READABLE_BY_33)
    (source / TWO).with_name("name two").hardlink_to(source / TWO)
    assert "attributes-in-manifest" in [finding.code for finding in move.check()]
    move.hand_over()
    kept = manifest(move)
    assert base64.b64decode(kept[ONE]["attributes"]["user.ghi-chu"]).decode() == "trước"
    assert base64.b64decode(kept[EMPTY]["attributes"]["user.ghi-chu"]).decode() == "thư mục"
    assert base64.b64decode(kept[TWO]["attributes"][ACL]) == READABLE_BY_33
    assert [kept[TWO][word] for word in ("owner", "group", "links")] == [33, 34, 2]
    assert "attributes" not in kept["big.bin"], "it has none"
    assert said(move, full=True) == ""


def test_attributes_that_cannot_be_read_are_said_and_are_no_difference(store: Store, tmp_path: Path) -> None:
    source = tree(tmp_path / "uploads", 20)
    move = make(store, source, tmp_path)
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho python3: is not here >&2\nexit 127\n")
    python.chmod(0o755)
    (finding,) = [one for one in move.check() if one.code == "attributes-not-read"]
    assert (finding.severity, "python3: is not here" in finding.what) == (Severity.WARNING, True)
    move.prepare()
    move.replicate(lambda _: None)
    move.hand_over()
    os.setxattr(source / ONE, "user.ghi-chu", b"x")
    for full in (False, True):
        (proof,) = move.prove(frozen=True, full=full)
        assert (proof.passed, "extended attributes could not be read: uploads" in proof.sentence) == (True, True)
    assert manifest(move)[ONE]["attributes"] is None
    python.unlink()
    assert "attributes-not-read" not in [one.code for one in move.check()]


def test_attributes_that_cannot_be_read_any_more_under_the_freeze_fail_the_proof(
    move: BucketMove, source: Path
) -> None:
    python = source.parent / "python3"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    os.setxattr(source / ONE, "user.ghi-chu", b"x")
    found = [said(move, full=full) for full in (False, True)]
    python.unlink()
    os.removexattr(source / ONE, "user.ghi-chu")
    assert all("the comparison could not be made: it answered for 0 of" in each for each in found), found
