"""A fake source and target in memory behind the five moves: citizens write, verbs act, faults strike."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from migration.errors import StepFailed
from migration.ports import Moves
from tests.support.world_components import Files, Jobs, Traffic, Web
from tests.support.world_database import Database


class Died(BaseException):
    """The process was killed: nothing of it runs any more."""


@dataclass(slots=True)
class Fault:
    """What goes wrong at a verb: it fails or the process dies, before or after the effect, this many times."""

    die: bool = False
    after_effect: bool = False
    times: int = 1
    late: int | None = None
    """A switch of the gate was cut off here and goes on over there: it reaches the gate this many calls later."""

    def strike(self, verb: str) -> None:
        if self.times <= 0:
            return
        self.times -= 1
        if self.die:
            raise Died(verb)
        raise StepFailed("planted", what=f"{verb} failed", why="a fault was planted", state="as planted", next="none")


class VirtualClock:
    """Time that passes only when somebody waits or works."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@dataclass(slots=True)
class FakeSystem:
    """Everything that a step can change in one system, on both sides."""

    site: str = "source"
    gate: bool = False
    source_rows: dict[int, str] = field(default_factory=lambda: {1: "a", 2: "b"})
    source_role: bool = False
    source_fenced: bool = False
    source_strangers: int = 0
    """Sessions of others inside the source's database, such as a superuser's."""
    source_at_hand_over: dict[int, str] | None = None
    source_web: bool = True
    source_jobs: bool = True
    slot: bool = False
    slot_rows: dict[int, str] = field(default_factory=dict)
    """What the slot keeps for a target that does not follow now."""
    target_rows: dict[int, str] = field(default_factory=dict)
    target_schema: bool = False
    target_writable: bool = True
    """Before prepare the target's application may write: nobody uses it."""
    target_prepared: bool = False
    target_jobs: bool = False
    following: bool = False
    source_files: dict[str, str] = field(default_factory=lambda: {"đơn.pdf": "1", "trống": ""})
    target_files: dict[str, str] = field(default_factory=dict)
    files_probed: bool = False
    acknowledged: list[int] = field(default_factory=list)


class World:
    """All systems, the faults, and the record of what was called."""

    def __init__(self, systems: Sequence[str], clock: VirtualClock) -> None:
        self.clock = clock
        self.systems = {name: FakeSystem() for name in systems}
        self.faults: dict[int, Fault] = {}
        """By the number of the call, from 0: the same plan makes the same calls, so a number names one moment."""
        self.twice = False
        self.target_dies_at: int | None = None
        """From this call on nothing of any target answers."""
        self.calls: list[str] = []
        self.seconds: dict[str, float] = {}
        self.on_the_way: dict[str, tuple[int, int, str]] = {}
        """Switches that were sent and not heard of: the call at which they reach the gate, their token, their side."""
        self.gate_is_silent = False
        self.compare_seconds = 0.0
        """How long it takes to compare all rows under the freeze."""
        self.gate_turns: dict[str, int] = {}
        """The highest token that the gate has seen, by system; a lower one is refused."""
        self.tampering: Callable[[str, str], None] = lambda system, verb: None

    def moves(self, system: str, token: Callable[[], int]) -> Moves:
        parts = (Database, Files, Jobs, Web, Traffic)
        database, files, jobs, web, traffic = (part(self, system, token) for part in parts)
        return Moves(database, files, jobs, web, traffic)  # type: ignore[arg-type]

    @property
    def target_is_dead(self) -> bool:
        return self.target_dies_at is not None and len(self.calls) > self.target_dies_at

    def configuration(self) -> dict[str, dict[str, Any]]:
        """Return everything but what citizens wrote on the source: what a complete way back must restore."""
        seen = {}
        for name, system in self.systems.items():
            fields = {key: copy.deepcopy(getattr(system, key)) for key in FakeSystem.__slots__}
            for written in ("source_rows", "source_files", "acknowledged", "source_strangers", "source_at_hand_over"):
                fields.pop(written)
            seen[name] = fields
        return seen

    def lost(self, system: str) -> list[int]:
        """Return acknowledged writes that the serving side does not have."""
        state = self.systems[system]
        rows = state.target_rows if state.site == "target" else state.source_rows
        return [number for number in state.acknowledged if number not in rows]

    def tick(self) -> None:
        """Let each system's citizens write once, on whichever side the gate sends them to."""
        for name, (call, token, side) in list(self.on_the_way.items()):
            if call <= len(self.calls):
                del self.on_the_way[name]
                if token >= self.gate_turns.get(name, 0) and self.systems[name].site != "target":
                    self.systems[name].site = side
        for state in self.systems.values():
            number = len(state.acknowledged) + 100
            if state.site == "source" and state.source_web and not state.source_fenced:
                state.source_rows[number] = f"write {number}"
                state.source_files[f"{number}.pdf"] = str(number)
                state.acknowledged.append(number)
                if state.following:
                    state.target_rows.update({number: f"write {number}"})
                elif state.slot:
                    state.slot_rows[number] = f"write {number}"
            elif state.site == "target" and state.target_writable:
                state.target_rows[number] = f"write {number}"
                state.target_files[f"{number}.pdf"] = str(number)
                state.acknowledged.append(number)
