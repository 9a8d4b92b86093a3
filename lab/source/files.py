"""Write configuration files into a host's root before it boots; it never touches a running host."""

from __future__ import annotations

import os
from pathlib import Path


def write(root: Path, path: str, text: str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
    """Write `root/path` with mode and owner; parent folders are made as root's."""
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)  # a secret is never readable by others, not even before chmod
    target.write_text(text)
    target.chmod(mode)
    os.chown(target, *owner)


def append(root: Path, path: str, text: str) -> None:
    """Append to an existing file."""
    with (root / path.lstrip("/")).open("a") as file:
        file.write(text)


def link(root: Path, path: str, destination: str) -> None:
    """Make `root/path` a symbolic link to a guest path."""
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(destination)


def enable(root: Path, unit: str) -> None:
    """Have a unit start at boot."""
    link(root, f"/etc/systemd/system/multi-user.target.wants/{unit}", f"/etc/systemd/system/{unit}")


def group_id(root: Path, name: str) -> int:
    """Return the number of a group inside the root."""
    return _number(root / "etc/group", name)


def user_id(root: Path, name: str) -> int:
    """Return the number of a user inside the root."""
    return _number(root / "etc/passwd", name)


def _number(table: Path, name: str) -> int:
    for line in table.read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2])
    raise KeyError(f"{name} is not in {table}")
