"""The order to carry a tree into a folder that keeps it as it is: a volume that is mounted on the mover's machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from migration.movers.tree_job import TreeJob

OURS: Final = ".dcshift"
"""Folder of ours in the target: whose it is, and files that are not complete yet."""
NOT_OF_THE_TREE: Final = (OURS, "lost+found")
"""Names right in a tree that are not carried and not removed: ours, and the file system's own."""
Given = Literal["owners", "acls", "attributes", "hard-links"]


class FolderJob(TreeJob):
    """Everything that one set of files needs that stays a tree."""

    folder: Path
    """The target; it must be there, and empty or ours."""
    without: list[Given] = Field(default=[])
    """What people decided to lose where the target's file system does not keep it."""
    overwrite: bool = False
    """Whether what was written in the folder after the last pass may be lost, when the source shall serve again."""
    workers: int = Field(default=4, ge=1, le=8)
    """rsyncs at a time, each with a connection to the source of its own."""

    @property
    def ours(self) -> Path:
        return self.folder / OURS
