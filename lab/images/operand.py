"""The root folder of PostgreSQL's image, as CloudNativePG expects it; it makes no image."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from lab import debian
from lab.command import run
from lab.paths import cache
from lab.rootfs import base, cached

_FORMAT: Final = "2"  # raise it when the folder must be made anew although what it is made of is the same
_PACKAGES: Final = ("locales", "postgresql-17", "postgresql-client-17", "barman-cli-cloud")
_LOCALES: Final = ("en_US.UTF-8", "vi_VN.UTF-8")
POSTGRES_USER: Final = 26  # the operator's convention; files of the data folder belong to it


def postgres_version() -> str:
    """Return PostgreSQL's own version in the operand image, such as 17.11; the operator reads it from the tag."""
    return debian.version(postgres_root(), "postgresql-17")


def postgres_root() -> Path:
    """Return a Debian root with PostgreSQL, its own cluster removed and its user renumbered."""
    installed = base("trixie", _PACKAGES, "postgresql-17")
    key = hashlib.sha256(f"{_FORMAT} {installed.name} {_LOCALES} {POSTGRES_USER}".encode()).hexdigest()[:12]

    def build(folder: Path) -> None:
        run(["cp", "-a", "--reflink=auto", f"{installed}/.", folder], timeout_seconds=300)
        for locale in _LOCALES:
            language, _, encoding = locale.partition(".")
            run(["chroot", folder, "localedef", "-i", language, "-f", encoding, locale])
        # Group 26 is Debian's `tape`; that the number has this name there is harmless.
        user = str(POSTGRES_USER)
        run(["chroot", folder, "usermod", "--uid", user, "--gid", user, "postgres"])
        for name in ("etc/postgresql/17", "var/lib/postgresql/17"):
            run(["rm", "-rf", folder / name])
        for name in ("var/lib/postgresql", "run/postgresql"):
            run(["chroot", folder, "chown", "-R", f"{user}:{user}", f"/{name}"], check=False)

    return cached(cache() / "rootfs" / f"trixie-operand-{key}", build)
