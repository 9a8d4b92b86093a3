"""Links the programs that Pulumi looks for on PATH into the environment's bin folder; it builds nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from lab.toolchain.build import tool_path

_LINKED: Final = ("pulumi", "pulumi-language-python", "kubectl")


def link_programs() -> None:
    """Link the programs, and those that lie beside them, into the environment; a link that is right stays."""
    bin_folder = Path(sys.executable).parent
    for name in _LINKED:
        link(bin_folder / name, tool_path(name))
    executor = tool_path("pulumi").resolve().parent / "pulumi-language-python-exec"
    if executor.exists():
        link(bin_folder / executor.name, executor)


def link(path: Path, goal: Path) -> None:
    """Make `path` a link to `goal`, unless it is one."""
    if path.is_symlink() and path.readlink() == goal:
        return
    path.unlink(missing_ok=True)
    path.symlink_to(goal)
