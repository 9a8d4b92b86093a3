"""Packages of another suite are fetched as that suite has them, whatever this machine has installed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab import rootfs, unpacked
from lab.command import run
from lab.errors import LabError

ESSENTIAL = "bash"
"""Every Debian has it installed, in a version that no repository here offers."""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite on this disk that has an old `bash`, with one file in it."""
    tree, repository = tmp_path / "tree", tmp_path / "repository"
    for folder in (tree / "DEBIAN", tree / "usr/share/other-suite", repository):
        folder.mkdir(parents=True)
    control = f"Package: {ESSENTIAL}\nVersion: 0.1\nArchitecture: amd64\nMaintainer: a test <a@test.example>\n"
    (tree / "DEBIAN" / "control").write_text(f"{control}Description: of another suite\n")
    (tree / "usr/share/other-suite" / "word").write_text("here")
    archive = repository / f"{ESSENTIAL}_0.1_amd64.deb"
    run(["dpkg-deb", "--root-owner-group", "-b", tree, archive])
    content = archive.read_bytes()
    (repository / "Packages").write_text(
        f"{control}Filename: ./{archive.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        "Description: of another suite\n"
    )
    monkeypatch.setenv("DCSHIFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(rootfs, "sources", lambda _: [f"deb [trusted=yes] file:{repository} ./"])
    return repository


def test_what_is_installed_here_in_another_version_does_not_hide_the_suites_own(suite: Path) -> None:
    folder = unpacked.unpacked("other", [ESSENTIAL], "test")
    assert (folder / "usr/share/other-suite/word").read_text() == "here"
    assert sorted(each.name for each in folder.iterdir()) == ["usr"]


def test_all_or_nothing(suite: Path) -> None:
    with pytest.raises(LabError, match="no-such-package"):
        unpacked.unpacked("other", [ESSENTIAL, "no-such-package"], "test")
    assert not unpacked.place("other", [ESSENTIAL, "no-such-package"], "test").exists()
