"""What stands under its final name is whole, also after a builder that failed or was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import rootfs
from lab.command import Completed
from lab.errors import LabError


def test_a_failed_build_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    target = tmp_path / "rootfs" / "base"

    def fails(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise LabError("broken", what="w", why="y", state="s", next="n")

    with pytest.raises(LabError):
        rootfs.cached(target, fails)
    assert not target.exists()

    rootfs.cached(target, lambda folder: (folder / "whole").write_text("whole") and None)
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_what_is_cached_is_not_built_again(tmp_path: Path) -> None:
    built: list[Path] = []
    for _ in range(2):
        rootfs.cached(tmp_path / "base", built.append)
    assert len(built) == 1


def test_an_empty_path_is_never_mistaken_for_a_mount_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.setattr(rootfs, "_mount_points", lambda: ["/", str(tmp_path), str(tmp_path / "base-of-another")])
    rootfs.remove_tree(tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_a_folder_with_a_stubborn_mount_inside_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "base" / "root"
    inside.mkdir(parents=True)
    monkeypatch.setattr(rootfs, "_mount_points", lambda: [str(inside)])
    monkeypatch.setattr(rootfs, "run", lambda *_, **__: Completed((), 32, "", "busy"))
    with pytest.raises(LabError) as refused:
        rootfs.remove_tree(tmp_path / "base")
    assert refused.value.code == "mounts-left"
    assert inside.is_dir()


def test_mirrors_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = (
        "http://mirror.internal/debian bookworm main\n"
        "http://mirror.internal/debian bookworm-updates main\n"
        "http://mirror.internal/security bookworm-security main\n"
        "https://elsewhere.internal nodistro main\n"
    )
    monkeypatch.setattr(rootfs, "run", lambda *_, **__: Completed((), 0, listing, ""))
    monkeypatch.setattr(rootfs, "_own_release", lambda: "bookworm")
    rootfs._mirrors.cache_clear()
    try:
        assert rootfs.sources("bullseye") == [
            "deb http://mirror.internal/debian bullseye main",
            "deb http://mirror.internal/debian bullseye-updates main",
            "deb http://mirror.internal/security bullseye-security main",
        ]
    finally:
        rootfs._mirrors.cache_clear()


def test_a_machine_without_a_debian_mirror_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootfs, "run", lambda *_, **__: Completed((), 0, "", ""))
    rootfs._mirrors.cache_clear()
    try:
        with pytest.raises(LabError) as refused:
            rootfs._mirrors()
        assert refused.value.code == "no-debian-mirror"
    finally:
        rootfs._mirrors.cache_clear()
