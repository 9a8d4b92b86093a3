"""Where the lab keeps things: the cache (kept), the state of the running lab (in the checkout), and /run (sockets)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
STATE: Final = CHECKOUT / "build" / "lab"
RUN: Final = Path("/run/dcshift")
"""Sockets and pid files: here because a Unix socket's path may have 107 bytes only."""


def cache() -> Path:
    """Return the cache folder (`DCSHIFT_CACHE`, else the user's XDG cache), made if missing."""
    given = os.environ.get("DCSHIFT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(given) if given else Path(base) / "dcshift"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
