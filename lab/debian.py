"""Programs out of a Debian root folder, run on this machine as they are: with the folder's own loader and libraries.

Nothing is installed here, and this machine's own C library, which may be older, is not used.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import LabError


def argv(root: Path, program: str, *libraries: Path) -> list[str]:
    """Return the words that start `program`, a path inside `root`; `libraries` are searched beside the folder's own.

    Raises `LabError` when set-up has not made the folder, or not whole.
    """
    loader = next((path for place in ("lib64", "lib") for path in sorted((root / place).glob("ld-linux*.so.*"))), None)
    if loader is None or not (root / program).exists():
        raise LabError(
            "tool-missing",
            what=f"{Path(program).name} is not here",
            why=f"{root} is not there or not whole: set-up makes it, with the images of the lab",
            state="nothing was started",
            next="make setup",
        )
    searched = [*sorted((root / "usr/lib").glob("*-linux-gnu*")), *libraries]
    return [str(loader), "--library-path", ":".join(map(str, searched)), str(root / program)]


def version(root: Path, package: str) -> str:
    """Return the version that a package's authors gave it, such as 2.53.3, without Debian's own part."""
    listing = (root / "var/lib/dpkg/status").read_text()
    found = re.search(rf"^Package: {re.escape(package)}\n(?:.+\n)*?Version: ([0-9.]+)", listing, re.MULTILINE)
    assert found is not None, f"{package} was installed in {root}"
    return found.group(1)
