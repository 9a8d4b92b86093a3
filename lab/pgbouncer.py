"""Debian trixie's pgbouncer: the root folder of its image, and the same program run here without an image."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import debian
from lab.rootfs import base, base_place

PROGRAM: Final = "usr/sbin/pgbouncer"
_BASE: Final = ("trixie", ("pgbouncer",), "pgbouncer")


def root() -> Path:
    """Return a Debian root folder with pgbouncer, built once (about a minute)."""
    return base(*_BASE)


def argv(configuration: Path) -> tuple[str, ...]:
    """Return the command line that runs it in the foreground. Raises `LabError` when set-up has not brought it yet."""
    return (*debian.argv(base_place(*_BASE), PROGRAM), str(configuration))
