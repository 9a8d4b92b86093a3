"""The works that are done by ours and by others, and whose the programs are: words that the results keep."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

OURS: Final = "dcshift"
PHYSICAL: Final = "dcshift physical"
"""Ours too: a database is copied by either."""
DUMP: Final = "pg_dump and pg_restore"
RCLONE: Final = "rclone"
RSYNC: Final = "rsync"


class Work(StrEnum):
    """What is done by ours and by its peers alike."""

    DATABASE = "database"
    VERIFICATION = "verification"
    OBJECTS = "objects"
    UNCHANGED = "objects-unchanged"
    TREE = "tree"
    TREE_UNCHANGED = "tree-unchanged"


OF_OBJECTS: Final = (Work.OBJECTS, Work.UNCHANGED)
IN_FOLDER: Final = (Work.TREE, Work.TREE_UNCHANGED)
"""Done with a tree of `FOLDER_BYTES_MAX` at most, and at one size only: all must end in time."""
FOLDER_BYTES_MAX: Final = 300_000_000


class Kind(StrEnum):
    """Whose a program is; a floor is what no program that does the work can be faster than."""

    OURS = "ours"
    PEER = "peer"
    FLOOR = "floor"
