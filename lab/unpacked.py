"""Packages of another Debian suite, unpacked into the cache for programs that run beside this machine's own.

Nothing is installed: no script of a package is run, and nothing that they depend on comes along.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab import rootfs
from lab.command import run
from lab.errors import LabError
from lab.paths import cache

_FETCH_SECONDS_MAX: Final = 600.0


def place(suite: str, packages: Sequence[str], name: str) -> Path:
    """Return the folder, whether it is there or not."""
    return rootfs.base_place(suite, packages, f"unpacked-{name}")


def unpacked(suite: str, packages: Sequence[str], name: str) -> Path:
    """Return the folder, made if it is missing. Raises `LabError` when a package cannot be had."""
    return rootfs.cached(place(suite, packages, name), lambda folder: _unpack(folder, suite, packages))


def _unpack(folder: Path, suite: str, packages: Sequence[str]) -> None:
    apt = cache() / "apt" / suite
    for part in ("lists", "archives"):
        (apt / part / "partial").mkdir(parents=True, exist_ok=True)
    listed = folder / "sources.list"
    listed.write_text("\n".join(rootfs.sources(suite)) + "\n")
    own = {
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "5",
        "Dir::Etc::SourceList": listed,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": apt / "lists",
        # Else apt wants the version that this machine's own Debian has installed, which the other suite does not have.
        "Dir::State::status": "/dev/null",
        "Dir::Cache": apt,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
    }
    words = ["apt-get", "-qq", *(f"-o={name}={value}" for name, value in own.items())]
    with rootfs.lock(apt / "lock"):
        run([*words, "update"], timeout_seconds=_FETCH_SECONDS_MAX)
        run([*words, "download", *packages], cwd=folder, timeout_seconds=_FETCH_SECONDS_MAX)
    archives = sorted(folder.glob("*.deb"))
    if len(archives) != len(set(packages)):
        raise LabError(
            "packages-missing",
            what=f"not all packages of {suite} came: {len(archives)} of {len(set(packages))}",
            why="apt ended well and left no more",
            state="the cache is unchanged",
            next="look at the machine's Debian mirror, then run the same command again",
        )
    for archive in archives:
        run(["dpkg-deb", "-x", archive, folder])
        archive.unlink()
    listed.unlink()
