"""A program that stands where `pulumi` stands: it keeps states and a lock as files, and remembers what it was asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, pathlib, shutil, sys
here, words = pathlib.Path({folder!r}), [w for w in sys.argv[1:] if w != "--non-interactive"]
with open(here / "asked", "a") as asked:
    asked.write(json.dumps(words) + "\\n")
stack = words[words.index("--stack") + 1] if "--stack" in words else ""
lock = here / "lock"
if words[:2] == ["stack", "ls"]:
    print(json.dumps([{{"name": each.stem}} for each in sorted((here / "states").glob("*.json"))]))
elif words[:2] == ["stack", "export"]:
    shutil.copy(here / "states" / (stack + ".json"), words[words.index("--file") + 1])
elif words[0] == "cancel":
    lock.unlink()
elif words[0] == "up" and lock.exists():
    print("error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end")
    print("  file:///state/locks/1.json: created by " + lock.read_text() + " at 2026-11-30T05:00:00Z")
    sys.exit(255)
elif words[0] == "up" and (here / "after" / (stack + ".json")).exists():
    shutil.copy(here / "after" / (stack + ".json"), here / "states" / (stack + ".json"))
"""


@dataclass(frozen=True)
class FakePulumi:
    """The program's folder, which is to be the only one on PATH."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, states: Mapping[str, Any]) -> FakePulumi:
        """Write the program; `states`: what was applied, by stack. A stack that is not there was never made."""
        made = cls(folder)
        for name in ("states", "after"):
            (folder / name).mkdir()
        (folder / "asked").write_text("")
        made.before_up(states)
        program = folder / "pulumi"
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        return made

    def before_up(self, states: Mapping[str, Any]) -> None:
        """Say what was applied last, of these stacks."""
        self._write("states", states)

    def after_up(self, states: Mapping[str, Any]) -> None:
        """Say what an `up` of a stack leaves in its state."""
        self._write("after", states)

    def lock(self, held_by: str) -> None:
        (self.folder / "lock").write_text(held_by)

    def asked(self, word: str) -> list[list[str]]:
        """Return every call that began with this word."""
        calls = [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]
        return [call for call in calls if call[0] == word]

    def _write(self, folder: str, states: Mapping[str, Any]) -> None:
        for stack, export in states.items():
            (self.folder / folder / f"{stack}.json").write_text(json.dumps(export))
