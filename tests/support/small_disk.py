"""A disk of some megabytes that a server's files may fill, and that grows when a test makes room."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.command import run


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Callable[[int], None]]:
    """Mount it there for the user `postgres`; yields what gives it another size in MiB."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700,uid=postgres,gid=postgres", "tmpfs", folder])

    def grow(to_megabytes: int) -> None:
        run(["mount", "-o", f"remount,size={to_megabytes}m", folder])

    try:
        yield grow
    finally:
        run(["umount", folder])
