"""Overlay mounts and cached layers over Debian bases; it never writes into a lower layer."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.command import run
from lab.paths import cache
from lab.rootfs import cached, digest, remove_tree


def mount(lowers: Sequence[Path], folder: Path) -> Path:
    """Mount an overlay of `lowers` (topmost first) with `folder/upper` above; return `folder/root`."""
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        path.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(str(lower) for lower in lowers)},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "dcshift", "-o", options, root])
    return root


@contextlib.contextmanager
def scratch_root(lowers: Sequence[Path], folder: Path) -> Iterator[Path]:
    """Give a writable root over `lowers` whose changes stay in `folder/upper`; unmounted at the end."""
    root = mount(lowers, folder)
    try:
        yield root
    finally:
        run(["umount", root])


def layer(name: str, lowers: Sequence[Path], recipe: Sequence[str], build: Callable[[Path], None]) -> Path:
    """Return the folder of what `build(root)` adds to `lowers`; built once per `recipe` (it must name all inputs)."""
    target = cache() / "layers" / f"{name}-{digest(*(lower.name for lower in lowers), *recipe)}"

    def in_overlay(folder: Path) -> None:
        with scratch_root(lowers, folder) as root:
            build(root)
        for path in list((folder / "upper").iterdir()):
            path.rename(folder / path.name)
        for leftover in ("upper", "work", "root"):
            remove_tree(folder / leftover)

    return cached(target, in_overlay)


def only(folder: Path, keep: str) -> None:
    """Move `folder/keep` out of a scratch upper into a folder of its own shape, and drop everything else."""
    kept = folder / "kept" / keep
    kept.parent.mkdir(parents=True)
    (folder / "upper" / keep).rename(kept)
    for leftover in ("upper", "work", "root"):
        remove_tree(folder / leftover)
    top = folder / "kept"
    for path in list(top.iterdir()):
        shutil.move(path, folder / path.name)
    top.rmdir()
