"""A workspace whose outside world is the fake one, so that whole command lines can be run and read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from catalogue.target import TargetContract
from migration.cli.main import command
from migration.model.inventory import Inventory
from migration.model.plan import Step
from migration.model.words import Finding
from migration.ports import Clock, Moves
from migration.store import Pinned
from migration.wiring import Workspace
from tests.support.examples import EXAMPLE, NOW, contracts, inventory
from tests.support.runs import memory_folder
from tests.support.world import VirtualClock, World


@dataclass(frozen=True)
class FakeWorkspace(Workspace):
    """The real workspace but for its edges: the world, the survey, the contracts and the time."""

    world: World = field(default_factory=lambda: World(("portal", "feedback"), VirtualClock(NOW)))
    seen: Inventory = field(default_factory=inventory)
    targets: dict[str, TargetContract | str] = field(default_factory=lambda: dict(contracts()))
    findings: list[Finding] = field(default_factory=list)

    @cached_property
    def clock(self) -> Clock:
        return self.world.clock

    def survey(self) -> Inventory:
        self.private(self.state)
        self.observed.write_text(self.seen.model_dump_json(), encoding="utf-8")
        return self.seen

    def contracts(self, systems: Sequence[str]) -> dict[str, TargetContract | str]:
        return {name: self.targets[name] for name in systems}

    def moves(self, pinned: Pinned) -> Callable[[str, Callable[[], int]], Moves]:
        return self.world.moves

    def step_findings(self, pinned: Pinned) -> Callable[[Step, Moves], Sequence[Finding]]:
        return lambda step, moves: self.findings


class Terminal:
    """A dumb terminal in front of one fake workspace; keeps what was typed and what was said."""

    def __init__(self, catalogue_folder: Path = EXAMPLE) -> None:
        state = memory_folder() / "state"
        self.workspace = FakeWorkspace(catalogue_folder, state / "inventory.yml", state / "kubeconfig", state, None)
        self.transcript = ""

    @property
    def world(self) -> World:
        return self.workspace.world

    def type(self, line: str) -> tuple[int, str, str]:
        """Run one command line; return its exit status, stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = command(line.split(), lambda: self.workspace)
        self.transcript += f"$ dcshift {line}\n{_marked(err.getvalue())}{out.getvalue()}exit {status}\n\n"
        return status, out.getvalue(), err.getvalue()

    def cleaned(self) -> str:
        """Return the transcript without what differs from one machine to another."""
        lines = [line.rstrip() for line in self.transcript.replace(str(self.workspace.state), "STATE").splitlines()]
        return "\n".join(lines) + "\n"


def _marked(text: str) -> str:
    return "".join(f"2> {line}\n" for line in text.splitlines())


def golden(path: Path, text: str, *, update: bool) -> None:
    """Compare with a committed transcript; raises with the line that refreshes it."""
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expected: Any = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == expected, f"differs from {path}; if it is meant: DCSHIFT_UPDATE_GOLDEN=1 pytest {path.parent}"
