"""`python -m tests.support.night FOLDER VERB`: a whole process that moves a system of the fake world.

At VERB it waits until somebody has done to its terminal, its pipe or itself what is to be tried; what became of the
world is left in FOLDER/end.json. With FAULT in the environment that verb fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import termios
import time
from pathlib import Path

from migration.cli.main import command
from tests.support.workspace import Terminal
from tests.support.world import Fault


def main(folder: Path, verb: str) -> int:
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that its end is told to this process as to a shell's
    terminal = Terminal()
    terminal.type("survey")
    terminal.type("plan")

    def wait(system: str, now: str) -> None:
        if not now.endswith(verb) or (folder / "reached").exists():
            return
        if "FAULT" in os.environ:
            terminal.world.faults[len(terminal.world.calls)] = Fault()
        (folder / "reached").touch()
        deadline = time.monotonic() + 240
        while not (folder / "go-on").exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    terminal.world.tampering = wait
    status = 99
    with contextlib.suppress(SystemExit):
        status = command(["run", "--wave", "1"], lambda: terminal.workspace)
    portal = terminal.world.systems["portal"]
    end = {"status": status, "site": portal.site, "jobs": [portal.source_jobs, portal.target_jobs],
           "lost": terminal.world.lost("portal"), "calls": terminal.world.calls[-1]}  # fmt: skip
    (folder / "end.json").write_text(json.dumps(end), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
