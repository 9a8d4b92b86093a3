"""Debian trixie's pgbouncer: the root folder of its image, and the same program run here without an image."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import debian
from lab.rootfs import base

PROGRAM: Final = "usr/sbin/pgbouncer"


def root() -> Path:
    """Return a Debian root folder with pgbouncer, built once (about a minute)."""
    return base("trixie", ("pgbouncer",), "pgbouncer")


def argv(configuration: Path) -> tuple[str, ...]:
    """Return the command line that runs pgbouncer in the foreground. Raises `LabError` if the folder lacks it."""
    return (*debian.argv(root(), PROGRAM), str(configuration))
