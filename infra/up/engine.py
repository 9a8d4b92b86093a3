"""Pulumi's command line for many stacks of one project: makes those that are missing, applies one; it asks nobody."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.errors import InfraError
from infra.locks import past_a_left_lock

_ROOT: Final = Path(__file__).resolve().parents[2]
_COUNT: Final = re.compile(r"^\s+[+~-]* *(\d+ (?:created|updated|deleted|replaced|unchanged))$")
_UP: Final = ("up", "--yes", "--skip-preview", "--color", "never", "--suppress-outputs", "--suppress-progress")


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine as the environment has it; `say` hears what it does to single resources."""

    say: Callable[[str], None]
    project: Path = _ROOT

    def known(self) -> set[str]:
        """Return the stacks that the backend has. Raises `InfraError`."""
        return {each["name"] for each in json.loads(self._run(["stack", "ls", "--json"]))}

    def create(self, stacks: Sequence[str]) -> None:
        """Make the stacks that the backend does not have yet. Raises `InfraError`."""
        known = self.known()
        for stack in stacks:
            if stack not in known:
                self._run(["stack", "init", stack])

    def export(self, stack: str) -> dict[str, Any]:
        """Return what was applied last, as the backend keeps it: secrets stay encrypted. Raises `InfraError`."""
        # By a file: what the engine warns of stands on the same stream as its answer.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state.json"
            self._run(["stack", "export", "--stack", stack, "--file", str(file)])
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def up(self, stack: str, words: Sequence[str], variables: Mapping[str, str]) -> str:
        """Apply a stack and return what happened to how many resources; a killed engine's lock is taken away first.

        Raises `InfraError`.
        """
        argv = [*_UP, "--stack", stack, *words]
        said = past_a_left_lock(
            lambda: self._run(argv, variables, lambda line: self.say(f"  {stack}: {line}")),
            lambda: self._run(["cancel", "--yes", "--stack", stack]),
            lambda: self.say(f"  {stack}: its lock was left by an engine that is gone, and is taken away"),
        )
        lines = said.splitlines()
        return ", ".join(found[1] for line in lines if (found := _COUNT.match(line))) or "nothing changed"

    def _run(
        self, words: Sequence[str], variables: Mapping[str, str] | None = None, say: Callable[[str], None] | None = None
    ) -> str:
        lines: list[str] = []
        try:
            with subprocess.Popen(
                ["pulumi", "--non-interactive", *words],
                cwd=self.project,
                # An engine would hold twice what it needs before it collects; a job host may be small.
                env={"GOGC": "50", **os.environ, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    lines.append(line)
                    if say and line.startswith((" +", " ~", " -", "error", "Error")):
                        say(" ".join(line.split()))
        except OSError as missing:
            raise _failed(words, str(missing)) from missing
        if process.returncode != 0:
            raise _failed(words, "".join(lines))
        return "".join(lines)


def _failed(words: Sequence[str], why: str) -> InfraError:
    return InfraError(
        "pulumi-failed",
        what=f"`pulumi {' '.join(word for word in words if not word.startswith('--client'))}` failed",
        why=why.strip()[-2000:] or "it said nothing",
        state="stacks told as up are as they are declared; of this one, what was done is in its state",
        next='eval "$(dcshift env)", mend what is named above, then run this again: it goes on from there',
    )
