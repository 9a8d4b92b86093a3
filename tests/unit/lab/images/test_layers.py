"""Layers: the same bytes for the same content, only what an earlier layer lacks, deletions said so."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from lab.images.layers import Entry, Layer, Tree, write_layer


def written(layer: Layer) -> bytes:
    out = io.BytesIO()
    write_layer(layer, out)
    return out.getvalue()


def members(layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(written(layer))) as archive:
        return {member.name: member for member in archive}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc/inner").mkdir(parents=True)
    (folder / "etc/inner/a.conf").write_text("a")
    (folder / "etc/tên có dấu").write_text("đ")
    (folder / "etc/link").symlink_to("inner/a.conf")
    (folder / "proc").mkdir()
    (folder / "proc/1").write_text("never")
    return folder


def test_the_same_folder_gives_the_same_bytes(root: Path) -> None:
    layer = Layer((Tree(root),))
    first = written(layer)
    kept = (root / "etc/inner/a.conf").stat().st_mtime
    os.utime(root / "etc/inner/a.conf", (0, kept))  # another time of access
    again = written(layer)
    assert first == again


def test_names_with_diacritics_and_links_are_kept(root: Path) -> None:
    found = members(Layer((Tree(root, at="opt/x"),)))
    assert "opt/x/etc/tên có dấu" in found
    assert found["opt/x/etc/link"].issym() and found["opt/x/etc/link"].linkname == "inner/a.conf"


def test_trimmed_paths_and_names_are_left_out_and_the_skeleton_is_made(root: Path) -> None:
    found = members(Layer((Tree(root, trimmed=("proc",), without=("link",), skeleton=True),)))
    assert "proc/1" not in found and "etc/link" not in found
    assert found["proc"].isdir() and found["tmp"].mode == 0o1777


def test_a_layer_above_another_holds_only_the_difference(root: Path, tmp_path: Path) -> None:
    below = tmp_path / "below"
    os.system(f"cp -a '{root}' '{below}'")
    (root / "etc/new").write_text("new")
    (root / "etc/link").unlink()
    found = members(Layer((Tree(root, below=below, trimmed=("proc",)),)))
    assert sorted(found) == ["etc/.wh.link", "etc/new"]


def test_a_second_name_of_a_file_is_a_link_to_the_first(root: Path) -> None:
    os.link(root / "etc/inner/a.conf", root / "etc/inner/b.conf")
    found = members(Layer((Tree(root),)))
    assert found["etc/inner/b.conf"].islnk() and found["etc/inner/b.conf"].linkname == "etc/inner/a.conf"


def test_entries_are_written_as_they_are() -> None:
    found = members(Layer(entries=(Entry("tmp/", mode=0o1777), Entry("a", b"xy", 0o755), Entry("b", link="/a"))))
    assert found["tmp"].isdir() and found["a"].size == 2 and found["b"].linkname == "/a"
