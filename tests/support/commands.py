"""Types a command of dcshift as a person does, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.declared import CATALOGUE


def run(*words: str, catalogue: Path = CATALOGUE) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; a verb of `infra` makes way for another program, so nothing less would do."""
    return subprocess.run(
        [Path(sys.executable).parent / "dcshift", *words],
        env={**os.environ, "DCSHIFT_CATALOGUE": str(catalogue)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
