"""Debian's Prometheus and Alertmanager: what the images are made of, and the programs that check what those will read.

The checkers are of the same packages as the images, so that what they accept is accepted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import debian
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
    return debian.argv(base_place(_SUITE, _PACKAGES, _NAME), f"usr/bin/{name}")
