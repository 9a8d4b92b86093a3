"""Python environments of the applications, `/opt/<system>/venv`, for source hosts and for container images alike.

Built by pip inside the very Debian release that will run them, from hashed requirements; it never resolves versions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.paths import CHECKOUT, cache
from lab.rootfs import base, cached, digest, in_rootfs
from lab.source.overlay import only, scratch_root

_BUILD_TOOLS: Final = ("packaging", "setuptools", "wheel")


def venv_layer(system: str, release: str, suite: str) -> Path:
    """Return a folder that holds `opt/<system>/venv` and nothing else, built in `suite` if the cache lacks it."""
    requirements = CHECKOUT / "lab" / "apps" / system / f"requirements-{release}.txt"
    if not requirements.exists():
        raise LabError(
            "requirements-missing",
            what=f"release {release} of {system} is unknown",
            why=f"{requirements} does not exist",
            state="nothing was built",
            next=f"ls {requirements.parent}   shows the releases that exist",
        )
    pinned = requirements.read_text()
    target = cache() / "layers" / f"venv-{system}-{release}-{suite}-{digest('1', pinned)}"
    bottom = base(suite, ("python3", "python3-venv"), "python")

    def build(folder: Path) -> None:
        home = f"opt/{system}"
        with scratch_root((bottom,), folder) as root:
            (root / home).mkdir(parents=True)
            (root / home / "requirements.txt").write_text(pinned)
            in_rootfs(root, ["python3", "-m", "venv", f"/{home}/venv"])
            (root / home / "build-tools.txt").write_text(_build_tools(pinned))
            pip = [f"/{home}/venv/bin/pip", "install", "--quiet", "--require-hashes", "--no-build-isolation"]
            for part in ("build-tools.txt", "requirements.txt"):
                in_rootfs(root, [*pip, "-r", f"/{home}/{part}"], timeout_seconds=1800)
        only(folder, f"{home}/venv")

    return cached(target, build)


def _build_tools(pinned: str) -> str:
    """Return the pins that a source distribution may need at build time: pip of Debian 11 would fetch them unpinned."""
    blocks = re.findall(r"^[a-z0-9._-]+==.*(?:\n +.*)*", pinned, re.MULTILINE | re.IGNORECASE)
    return "\n".join(block for block in blocks if block.partition("==")[0] in _BUILD_TOOLS) + "\n"
