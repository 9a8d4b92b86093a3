"""Debian's Prometheus and Alertmanager: what the images are made of, and the programs that check what those will read.

The checkers are of the same packages as the images, so that what they accept is accepted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.rootfs import base, base_place

_SUITE: Final = "trixie"
_PACKAGES: Final = ("prometheus", "prometheus-alertmanager")
_NAME: Final = "monitoring"


def monitoring_root() -> Path:
    """Return a Debian root with both packages, built if the cache does not hold it (about 15 seconds)."""
    return base(_SUITE, _PACKAGES, _NAME)


def checker(name: str) -> list[str]:
    """Return the words that start `promtool` or `amtool` on this machine, whatever Debian it has.

    Raises `LabError` when set-up has not brought it yet.
    """
    root = base_place(_SUITE, _PACKAGES, _NAME)
    # With the C library that it was built for: this machine's own may be older.
    loader = next(
        (path for folder in ("lib64", "lib") for path in sorted((root / folder).glob("ld-linux*.so.*"))), None
    )
    if loader is None:
        raise LabError(
            "tool-missing",
            what=f"{name} is not here",
            why=f"{root} is not there: set-up makes it, with the images of Prometheus and Alertmanager",
            state="nothing was checked",
            next="make setup",
        )
    libraries = ":".join(str(path) for path in sorted((root / "usr/lib").glob("*-linux-gnu*")))
    return [str(loader), "--library-path", libraries, str(root / "usr/bin" / name)]


def debian_version(root: Path, package: str) -> str:
    """Return the version that a package's authors gave it, such as 2.53.3, without Debian's own part."""
    listing = (root / "var/lib/dpkg/status").read_text()
    found = re.search(rf"^Package: {re.escape(package)}\n(?:.+\n)*?Version: ([0-9.]+)", listing, re.MULTILINE)
    assert found is not None, f"{package} was installed in {root}"
    return found.group(1)
