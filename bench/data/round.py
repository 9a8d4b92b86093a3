"""One round: every program does every work once, on fresh ground; a copy that is not equal ends the bench."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from bench import measuring
from bench.data import databases, objects, programs, trees, whole_server
from bench.data.agenda import COUNTING, Agenda
from bench.data.databases import Census, Databases
from bench.data.names import DUMP, FOLDER_BYTES_MAX, IN_FOLDER, OURS, PHYSICAL, Kind, Work
from bench.data.programs import Peers, Program
from bench.data.results import Run
from bench.data.shapes import DATABASE, LONGEST, Tree
from lab import newest_postgres
from lab.errors import LabError
from lab.postgres_server import Connection

_STEP_SECONDS_MAX: Final = 3 * 3600
_T = TypeVar("_T")


@dataclass(slots=True)
class Rounds:
    """Everything that all rounds on data of one size share, and the runs so far."""

    folder: Path
    logs: Path
    """What every program said; it stays."""
    peers: Peers
    agenda: Agenda
    size_bytes: int = 0
    kept: Callable[[Run], None] = lambda run: None
    """Called with each run when it is over: whoever stops us later does not take it away."""
    only_ours: bool = False
    runs: list[Run] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def database(self, at: Databases, number: int) -> None:
        """Have the database copied by everybody, then compared by everybody as the last one left it."""
        whole = self._count("the source", lambda: at.source.admin(DATABASE))
        with self._scratch() as scratch:
            self._run(Work.DATABASE, programs.read_all(at, scratch), number, at.pids, at.settle)
            turns = [
                partial(self._copy, at, program, number, whole)
                for program in self._mine(programs.copiers(at, self.peers, scratch))
            ]
            if PHYSICAL in self.peers:
                turns.append(partial(self._whole_server, at, number, whole))
            for turn in rotated(turns, number):
                turn()
            for program in rotated(self._mine(programs.provers(at, self.peers, scratch)), number):
                said = self._run(Work.VERIFICATION, program, number, at.pids, lambda: None)
                assert_equal(program.name, uncompared(program.name, said, whole))

    def objects(self, tree: Path, files: Tree, number: int) -> None:
        """Have the tree carried by everybody into an empty store, and once more."""
        with self._scratch() as scratch:
            self._run(Work.OBJECTS, programs.plain_copy(tree, scratch), number, list, os.sync)
        for name in rotated(self.carriers, number):
            with self._scratch() as scratch, objects.running(scratch, tree) as at:
                program, servers = programs.carrier(name, at, self.peers, scratch), partial(_alone, at.store.pid)
                self._run(Work.OBJECTS, program, number, servers, os.sync)
                held = at.held()
                assert_equal(name, uncarried(files, {key: size for key, (size, _) in held.items()}))
                self._run(Work.UNCHANGED, program, number, servers, os.sync)
                again = at.held()
                assert_equal(name, [f"{key}: written again" for key in held if again.get(key) != held[key]])

    def trees(self, tree: Path, files: Tree, number: int) -> None:
        """Have the tree carried by everybody into an empty folder, as it is, and once more."""
        with self._scratch() as scratch:
            self._run(Work.TREE, programs.copy_all(trees.made(tree, scratch)), number, list, os.sync)
        for name in rotated(self.keepers, number):
            with self._scratch() as scratch:
                at = trees.made(tree, scratch)
                program = programs.keeper(name, at)
                self._run(Work.TREE, program, number, list, os.sync)
                held = at.held()
                assert_equal(name, uncarried(files, {path: size for path, (size, _) in held.items()}))
                self._run(Work.TREE_UNCHANGED, program, number, list, os.sync)
                again = at.held()
                assert_equal(name, [f"{path}: written again" for path in held if again.get(path) != held[path]])

    @property
    def copiers(self) -> list[str]:
        """Return who copies a database here."""
        return [name for name in (OURS, DUMP, *self.peers) if name in programs.COPIERS and self._may(name)]

    @property
    def provers(self) -> list[str]:
        """Return who compares databases here."""
        return [name for name in programs.PROVERS if name in (OURS, *self.peers) and self._may(name)]

    @property
    def carriers(self) -> list[str]:
        """Return who carries a tree here."""
        return [name for name in programs.CARRIERS if name in (OURS, *self.peers) and self._may(name)]

    @property
    def keepers(self) -> list[str]:
        """Return who carries a tree into a folder here; rsync is on every machine that ours runs on."""
        return [] if self.only_ours else [*programs.KEEPERS]

    def _may(self, name: str) -> bool:
        return name in (OURS, PHYSICAL) or not self.only_ours

    def _mine(self, them: Sequence[Program]) -> list[Program]:
        return [program for program in them if self._may(program.name)]

    def _copy(self, at: Databases, program: Program, number: int, whole: Census) -> None:
        at.fresh(ours=program.name == OURS)
        self._run(Work.DATABASE, program, number, at.pids, at.settle)
        if program.name == OURS:
            at.release()
        copy = self._count(program.name, lambda: at.target.admin(DATABASE))
        assert_equal(program.name, whole.lacks(copy))

    def _whole_server(self, at: Databases, number: int, whole: Census) -> None:
        newest = newest_postgres.programs(self.folder)
        with self._scratch() as scratch, whole_server.wanted(at, scratch, newest) as server:
            self._run(Work.DATABASE, programs.whole(server, scratch), number, server.pids, server.settle)
            assert_equal(PHYSICAL, whole.lacks(self._count(PHYSICAL, server.admin)))

    def _count(self, where: str, opened: Callable[[], Connection]) -> Census:
        with self.agenda.step(COUNTING, self.size_bytes, f"{self._sized}counting what {where} has"), opened() as admin:
            return databases.census(admin)

    @property
    def _sized(self) -> str:
        return f"{self.size_bytes / 1e9:.1f} GB, " if self.size_bytes else ""

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.folder) as name:
            yield Path(name)

    def _run(
        self, work: Work, program: Program, number: int, servers: Callable[[], list[int]], settle: Callable[[], None]
    ) -> str:
        """Run a program, measured until what it wrote is on the disk; return what it said.

        The servers are asked for before and after: one of them may be made by the program.
        """
        text = f"{self._sized}round {number}, {work}, {program.name}"
        size = min(self.size_bytes, FOLDER_BYTES_MAX) if work in IN_FOLDER else self.size_bytes
        with self.agenda.step(f"{program.name} at {work}", size, text):
            return self._measured(work, program, number, servers, settle)

    def _measured(
        self, work: Work, program: Program, number: int, servers: Callable[[], list[int]], settle: Callable[[], None]
    ) -> str:
        def used() -> tuple[float, float, float]:
            theirs = sum(map(measuring.tree_cpu_seconds, servers()))
            return measuring.machine_cpu_seconds(), theirs, time.process_time()

        def say(text: str) -> None:
            self.agenda.say(f"      {program.name}: {text}")

        os.sync()  # or it would pay for what was written before it
        before, parts = used(), list[measuring.Measured]()
        for step, argv in enumerate(program.steps, 1):
            log = self.logs / f"{work}-{program.name.replace(' ', '-').replace('/', '-')}-{number}-{step}.log"
            done = measuring.run(argv, env=program.environment, log=log, say=say, limit_seconds=_STEP_SECONDS_MAX)
            parts.append(done)
            with log.open("a", encoding="utf-8") as kept:
                kept.write(done.stdout)
        began = time.monotonic()
        settle()
        seconds = sum(part.seconds for part in parts) + time.monotonic() - began
        machine, theirs, ours = (now - then for now, then in zip(used(), before, strict=True))
        own = sum(part.cpu_seconds for part in parts)
        run = Run(
            work=work, program=program.name, kind=program.kind, round=number,
            seconds=round(seconds, 3), cpu_seconds=round(own, 3), server_cpu_seconds=round(theirs, 3),
            foreign_cpu_seconds=round(max(machine - theirs - ours - own, 0), 3),
            peak_memory_bytes=max(part.peak_memory_bytes for part in parts),
        )  # fmt: skip
        self.runs.append(run)
        self.kept(run)
        if program.kind is not Kind.FLOOR:
            self.settings[f"{program.name} at {work}"] = program.setting
        cpu = f"{run.cpu_seconds:.1f} + {run.server_cpu_seconds:.1f} s of CPU"
        say(f"{run.seconds:.1f} s, {cpu}, {run.peak_memory_bytes / 2**20:.0f} MiB")
        return "".join(part.stdout for part in parts)


def _alone(pid: int) -> list[int]:
    return [pid]


def rotated(them: Sequence[_T], number: int) -> list[_T]:
    """Return them with another one first in each round: nobody always has the warmest caches."""
    start = number % len(them)
    return [*them[start:], *them[:start]]


def uncarried(files: Tree, held: dict[str, int]) -> list[str]:
    """Say which objects are not what the tree has."""
    names = sorted(files.sizes.keys() | held.keys())
    return [f"{n}: {files.sizes.get(n)} and {held.get(n)} bytes" for n in names if files.sizes.get(n) != held.get(n)]


def uncompared(program: str, said: str, whole: Census) -> list[str]:
    """Say what a proof did not compare, or did not find equal, by its own words."""
    if program == OURS:
        proof = json.loads(said.splitlines()[-1])
        wanted = {"passed": True, "rows": whole.rows, "tables": len(whole.tables)}
        return [f"{name}: {proof.get(name)}, not {value}" for name, value in wanted.items() if proof.get(name) != value]
    rows = whole.tables[f"public.{LONGEST}"]
    told = {
        name: int(number) for number, name in re.findall(r"^(\d+) rows (in table A|in table B|unchanged)", said, re.M)
    }
    return [f"rows {name}: {told.get(name)}, not {rows}" for name in ("in table A", "in table B", "unchanged")
            if told.get(name) != rows]  # fmt: skip


def assert_equal(program: str, differences: Sequence[str]) -> None:
    """Raise `LabError` if what a program did is not the whole work: it would be the faster for it."""
    if differences:
        raise LabError(
            "bench-unequal",
            what=f"{program} did not do the whole work",
            why=f"source and target: {'; '.join(differences[:5])}" + ("; …" if len(differences) > 5 else ""),
            state="all that was started is stopped; the results of the last bench are unchanged",
            next="read what it said in build/bench/, and mend its words in bench/data/programs.py, or it",
        )
