"""Fetches the MariaDB that Debian 11 had, for the mover's tests; it starts none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import unpacked
from lab.toolchain.build import Say

VERSION: Final = "10.5"
_SUITE: Final = "bullseye"
# The server and what its set-up calls, and three libraries that this machine's Debian no longer has.
_PACKAGES: Final = (
    f"mariadb-server-core-{VERSION}", f"mariadb-client-core-{VERSION}", "libssl1.1", "libsnappy1v5", "libaio1",
)  # fmt: skip


def place() -> Path:
    """Return the folder that they are unpacked into, whether it is there or not."""
    return unpacked.place(_SUITE, _PACKAGES, "mariadb")


def installed() -> bool:
    """Say whether they are there."""
    return place().is_dir()


def install(say: Say) -> Path:
    """Fetch what is missing, all or nothing. Raises `LabError` when a package cannot be had."""
    if not installed():
        say(f"MariaDB {VERSION} for the mover's tests: fetching 10 MB")
    return unpacked.unpacked(_SUITE, _PACKAGES, "mariadb")
