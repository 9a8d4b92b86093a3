"""Movers as programs of their own, that get a signal in the middle of the phase that a test names."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.project import ROOT


@dataclass(frozen=True)
class Ended:
    """How a mover ended: its status, what it said line by line, and the phases it was in."""

    status: int
    phases: tuple[str, ...]
    """Empty where it spoke of something else than its progress."""
    text: str
    said: tuple[Mapping[str, Any], ...]

    @property
    def last(self) -> Mapping[str, Any]:
        """Return its last word."""
        return self.said[-1] if self.said else {}


def run(
    mover: str, order: str, folder: Path, words: Sequence[str] = (), *, kill_at: str | None = None,
    by: signal.Signals = signal.SIGKILL,
) -> Ended:  # fmt: skip
    """Run a mover's module to its end with an order that lies in `folder`; it gets a signal as it says `kill_at`."""
    file = folder / f"job-{time.monotonic_ns()}.json"
    file.touch(mode=0o600)
    file.write_text(order)
    dying = [] if kill_at is None else ["tests.support.dying", str(int(by)), kill_at]
    argv = [sys.executable, "-m", *dying, mover, "--job", str(file), *words]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said: list[Mapping[str, Any]] = []
    phases: list[str] = []
    text = ""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            text += line
            if line.startswith("{"):
                said.append(json.loads(line))
            what = str(said[-1].get("progress", {}).get("what", "")) if said else ""
            if what not in phases[-1:]:
                phases.append(what)
        status = process.wait(120)
    finally:
        process.kill()
    return Ended(status, tuple(phases), text, tuple(said))
