"""The programs of the lab's PostgreSQL image, run on this machine by their own loader and C library, beside its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.images.operand import postgres_root

MAJOR = 17
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_SCRIPT = """#!/bin/sh
exec {root}/{libraries}/ld-linux-x86-64.so.2 --argv0 "$0" --library-path {root}/{libraries} {program} "$@"
"""


def programs(folder: Path) -> Path:
    """Return the folder of the programs, made below `folder`: the servers' user may not enter root's cache."""
    root = folder / "operand"
    home = root / f"usr/lib/postgresql/{MAJOR}"
    if not home.exists():
        image = postgres_root()
        for name in (_LIBRARIES, f"usr/lib/postgresql/{MAJOR}", f"usr/share/postgresql/{MAJOR}"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", image / name, root / name], check=True)
        (home / "bin").rename(home / "programs")
        (home / "bin").mkdir()
        # Without it a server compiles nothing just in time; its compiler is not of this machine.
        (home / "lib/llvmjit.so").unlink(missing_ok=True)
        for program in (home / "programs").iterdir():
            script = home / "bin" / program.name
            script.write_text(_SCRIPT.format(root=root, libraries=_LIBRARIES, program=program))
            script.chmod(0o755)
    return home / "bin"
