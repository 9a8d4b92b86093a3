"""Keeps what was measured as soon as it was, below build/: who stops a bench does not take it away."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.data import results
from bench.data.results import Data, Run
from lab.paths import CHECKOUT

FOLDER: Final = CHECKOUT / "build" / "bench" / "data"
RUNS: Final = "runs.jsonl"


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder of one bench; that of the one before is gone."""

    folder: Path = FOLDER

    def begin(self) -> None:
        """Make it empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def logs(self, size_bytes: int) -> Path:
        """Return the folder of what programs say about data of one size."""
        place = self.folder / f"{size_bytes / 1e9:g}-GB"
        place.mkdir(exist_ok=True)
        return place

    def run(self, size_bytes: int, run: Run) -> None:
        """Keep one run."""
        with (self.folder / RUNS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"size_bytes": size_bytes, **run.model_dump(mode="json")}, ensure_ascii=False) + "\n")

    def data(self, found: Data) -> None:
        """Keep all that makes results, though sizes may still be missing."""
        results.write(found, self.folder / results.FILE.name)
