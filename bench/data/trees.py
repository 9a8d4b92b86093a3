"""An empty folder for each program anew, into which a tree is carried as it is; it measures nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from migration.movers.folder_job import NOT_OF_THE_TREE, FolderJob


@dataclass(frozen=True, slots=True)
class Folders:
    """The tree, and below `scratch` the folder that it is carried into."""

    tree: Path
    scratch: Path

    @property
    def folder(self) -> Path:
        return self.scratch / "folder"

    @property
    def job(self) -> FolderJob:
        """Return the order for our mover, of one pass: it would look again by itself until nothing changes."""
        return FolderJob(
            system="bench", name="tree", token=1, source=str(self.tree), become=[], staging=self.scratch / "staging",
            folder=self.folder, passes_max=1,
        )  # fmt: skip

    def held(self) -> dict[str, tuple[int, int]]:
        """Return every file of the folder with its size and its ctime, which says when it was last touched."""
        found: dict[str, tuple[int, int]] = {}
        for place, folders, names in os.walk(self.folder):
            within = Path(place).relative_to(self.folder)
            if within == Path():
                folders[:] = [name for name in folders if name not in NOT_OF_THE_TREE]
            for name in names:
                status = Path(place, name).lstat()
                found[str(within / name)] = (status.st_size, status.st_ctime_ns)
        return found


def made(tree: Path, scratch: Path) -> Folders:
    """Make the folder."""
    found = Folders(tree, scratch)
    found.folder.mkdir()
    return found
