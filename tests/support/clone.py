"""This checkout as somebody else just cloned it: the files as they are now, and nothing that ever ran here left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.demo.shell import names_another_centre
from tests.support.project import BIN, ROOT

_KEPT: Final = ("Pulumi.yaml", "catalogue", "infra", "migration", "lab", "docs")


@dataclass(frozen=True)
class Clone:
    """One clone, run by this machine's own programs; whoever types in it has only the variables that he is given."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Clone:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _KEPT:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, folder / name)
        return cls(folder)

    def run(
        self,
        words: Sequence[str | Path],
        given: Mapping[str, str],
        *,
        cwd: Path | None = None,
        seconds_max: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        kept = {name: value for name, value in os.environ.items() if not names_another_centre(name)}
        # The environment's own way to this package ends in the real checkout; this one comes before it.
        ours = {"PYTHONPATH": str(self.folder), "PATH": f"{BIN}:{os.environ['PATH']}"}
        return subprocess.run(
            [str(word) for word in words], env={**kept, **ours, **given}, cwd=cwd or self.folder,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds_max, check=False,
        )  # fmt: skip

    def python(self, *words: str, given: Mapping[str, str], cwd: Path | None = None) -> str:
        """Run Python; return what it said, and fail if it failed."""
        done = self.run([sys.executable, *words], given, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr
