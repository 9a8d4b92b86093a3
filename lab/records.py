"""The records of moves inside the lab (journal, plans, Pulumi's state and settings): marked as the lab's own.

They lie where those of a province's own centre would lie in this checkout. What does not bear the mark is left alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.paths import CHECKOUT

JOURNAL_FOLDER: Final = CHECKOUT / "build" / "state"
PULUMI: Final = CHECKOUT / "build" / "pulumi"
MARK: Final = ".of-the-lab"
"""The file that says so; `migration.wiring` refuses to keep another centre's records beside it."""


def assert_ours_or_none() -> None:
    """Raise `LabError` when records are there that the lab did not begin."""
    others = [str(folder) for folder in (JOURNAL_FOLDER, PULUMI) if _has_records(folder) and not _marked(folder)]
    if others:
        raise LabError(
            "records-of-another-centre",
            what="the lab does not begin in this checkout",
            why=f"{' and '.join(others)} hold the journal or the Pulumi state of another centre",
            state="nothing was touched",
            next="use another checkout for the lab, or move these folders away if nobody needs them",
        )


def begin() -> None:
    """Make the folders and mark them. Raises `LabError` as `assert_ours_or_none` does."""
    assert_ours_or_none()
    for folder in (JOURNAL_FOLDER, PULUMI):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()


def forget() -> None:
    """Remove what the lab began."""
    for folder in (JOURNAL_FOLDER, PULUMI):
        if _marked(folder):
            shutil.rmtree(folder)


def _marked(folder: Path) -> bool:
    return (folder / MARK).exists()


def _has_records(folder: Path) -> bool:
    return folder.exists() and any(each.is_file() for each in folder.rglob("*"))
