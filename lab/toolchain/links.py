"""Puts the programs that Pulumi looks for on PATH into the environment's bin folder; it builds nothing."""

from __future__ import annotations

import filecmp
import shutil
import sys
from pathlib import Path
from typing import Final

from lab.toolchain.build import tool_path

_EXECUTOR: Final = "pulumi-language-python-exec"


def link_programs() -> None:
    """Link the programs into the environment; what is right stays."""
    bin_folder = Path(sys.executable).parent
    for name in ("pulumi", "kubectl"):
        link(bin_folder / name, tool_path(name))
    # The language host follows its own links and then wants its executor beside itself, so these two are copies.
    host = tool_path("pulumi-language-python")
    _copy(bin_folder / host.name, host)
    executor = tool_path("pulumi").resolve().parent / _EXECUTOR
    if executor.exists():
        _copy(bin_folder / _EXECUTOR, executor)


def link(path: Path, goal: Path) -> None:
    """Make `path` a link to `goal`, unless it is one."""
    if path.is_symlink() and path.readlink() == goal:
        return
    path.unlink(missing_ok=True)
    path.symlink_to(goal)


def _copy(path: Path, original: Path) -> None:
    if path.is_file() and not path.is_symlink() and filecmp.cmp(path, original):
        return
    path.unlink(missing_ok=True)
    shutil.copy2(original, path)
