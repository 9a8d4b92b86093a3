"""Environments of programs from PyPI beside the product: each is made into the cache from a lock with hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from lab.command import run
from lab.paths import CHECKOUT, cache

_INSTALL_SECONDS_MAX: Final = 1800


def project(name: str) -> Path:
    """Return the folder under tools/ that holds an environment's lock."""
    return CHECKOUT / "tools" / name


def place(name: str, lock: str = "uv.lock") -> Path:
    """Return where an environment is kept, whether it is there or not: another lock, another place."""
    digest = hashlib.sha256((project(name) / lock).read_bytes()).hexdigest()[:12]
    return cache() / f"{name}-{digest}"


def install(name: str) -> Path:
    """Return an environment that is exactly its lock. Raises `LabError` when something cannot be fetched."""
    uv = next(iter(sorted(cache().glob("uv-*/bin/uv"))), Path("uv"))
    words = ["sync", "--frozen", "--quiet", "--system-certs", "--project", str(project(name))]
    # uv leaves a lock where temporary files go.
    env = {"UV_PROJECT_ENVIRONMENT": str(place(name)), "TMPDIR": str(cache())}
    run([uv, *words], env=env, timeout_seconds=_INSTALL_SECONDS_MAX)
    return place(name)
