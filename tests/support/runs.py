"""Runs plans against the fake world as processes would: each with its own identity, some of them killed."""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from migration.engine import Engine
from migration.journal import Journal
from migration.model.ending import Ending, Wish
from migration.model.lease import Holder, Lease
from migration.model.plan import Plan, Step
from migration.model.run import Event, Kind, Policy, RunState, Want
from migration.model.words import Finding, Progress, RunId, Stage, StepId
from migration.ports import Moves
from tests.support.examples import NOW, example_plan
from tests.support.world import Died, VirtualClock, World


def memory_folder() -> Path:
    """Return a new folder in memory, so that a thousand runs need not wait for a disk; it goes with this process."""
    return Path(tempfile.mkdtemp(dir=_memory()))


@functools.cache
def _memory() -> Path:
    shared = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="dcshift-test-", dir=shared if shared.is_dir() else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class MortalJournal(Journal):
    """A journal whose process is killed around its n-th record; afterwards nothing of that process works."""

    def __init__(self, *args: Any, dies_at: int | None = None, before: bool = False, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.dies_at, self.before, self.written, self.dead = dies_at, before, 0, False

    def append(
        self, run: RunId, kind: Kind, *, step: StepId | None = None, content: Any, lease: Lease | None = None
    ) -> Event:
        self._live()
        self.written += 1
        if self.written == self.dies_at and self.before:
            self.die()
        event = super().append(run, kind, step=step, content=content, lease=lease)
        if self.written == self.dies_at:
            self.die()
        return event

    def release(self, lease: Lease) -> None:
        if not self.dead:  # a killed process gives nothing back
            super().release(lease)

    def die(self) -> None:
        self.dead = True
        raise Died("killed")

    def _live(self) -> None:
        assert not self.dead, "a killed process went on"


class Silent:
    """Shows nothing, keeps what was said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.events: list[Event] = []

    def recorded(self, event: Event, step: Step | None) -> None:
        self.events.append(event)

    def progressed(self, step: Step, progress: Progress) -> None:
        return None

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)


class Stand:
    """One world, one journal file, one plan; processes come and go."""

    def __init__(self, *systems: str) -> None:
        self.plan: Plan = example_plan(*systems)
        self.clock = VirtualClock(NOW)
        self.world = World(self.plan.systems(), self.clock)
        self.path = memory_folder() / "journal.sqlite"
        self.checks: Callable[[Step, Moves], Sequence[Finding]] = lambda step, moves: ()
        self.signalled: Callable[[], str | None] = lambda: None
        self.listener = Silent()
        self._pids = itertools.count(1)
        self._dead: set[int] = set()

    def journal(self, **keywords: Any) -> MortalJournal:
        return MortalJournal(self.path, self.clock, lambda holder: holder.pid not in self._dead, **keywords)

    def go(
        self,
        want: Want = Want.FORWARD,
        *,
        systems: Sequence[str] = (),
        until: Stage = Stage.WATCH,
        policy: Policy = Policy.FREEZE,
        dies_at: int | None = None,
        before: bool = False,
    ) -> Ending:
        """Let one process serve the wish; raises `Died` if it was killed."""
        pid = next(self._pids)
        journal = self.journal(dies_at=dies_at, before=before)
        engine = Engine(
            plan=self.plan,
            journal=journal,
            clock=self.clock,
            holder=Holder("here", "boot", pid, "0"),
            moves=self.world.moves,
            checks=self.checks,
            listener=self.listener,
            signalled=self.signalled,
        )
        try:
            return engine.go(Wish(want, tuple(systems) or self.plan.systems(), until, policy, "a test"))
        except Died:
            self._dead.add(pid)
            journal.dead = True
            raise
        finally:
            self.written = journal.written
            journal.close()

    def state(self) -> RunState:
        journal = self.journal()
        try:
            return journal.state(journal.open_run(self.plan.id))
        finally:
            journal.close()
