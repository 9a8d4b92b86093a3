"""A fake source and target in memory behind the five moves: citizens write, verbs act, faults strike."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from migration.errors import StepFailed
from migration.model.repair import OddRows, Repaired
from migration.model.words import Facts, Finding, Probe, ProbeState, Progress, Proof, Side
from migration.ports import Moves, OnProgress

VERB_SECONDS = 0.2
_AT_ONCE = ("at_rest", "target_answers")


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
        parts = (_Database, _Files, _Jobs, _Web, _Traffic)
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


F = TypeVar("F", bound=Callable[..., Any])


def verb(function: F) -> F:
    """Make a method a verb: time passes, citizens write, and planted faults strike before or after its effect."""

    @functools.wraps(function)
    def wrapper(self: _Part, *args: Any, **keywords: Any) -> Any:
        world = self.world
        fault = world.faults.get(len(world.calls))
        name = f"{self.system}.{type(self).__name__.strip('_').lower()}.{function.__name__}"
        world.calls.append(name)
        world.clock.sleep(world.seconds.get(name, 0.0 if function.__name__ in _AT_ONCE else VERB_SECONDS))
        world.tick()
        world.tampering(self.system, name)
        if fault and fault.late is not None:
            side = {"hold": "hold", "release_to_target": "target"}[function.__name__]
            world.on_the_way[self.system] = (len(world.calls) + fault.late, self.token(), side)
        if fault and not fault.after_effect:
            fault.strike(name)
        result = function(self, *args, **keywords)
        if world.twice:
            result = function(self, *args, **keywords)
        if fault and fault.after_effect:
            fault.strike(name)
        return result

    return wrapper  # type: ignore[return-value]


def at_target(function: F) -> F:
    """Make a verb or a probe need the target: it fails while the target is dead."""

    @functools.wraps(function)
    def wrapper(self: _Part, *args: Any, **keywords: Any) -> Any:
        if self.world.target_is_dead:
            raise refusal("target-silent", "nothing of the target answers")
        return function(self, *args, **keywords)

    return wrapper  # type: ignore[return-value]


def refusal(code: str, why: str) -> StepFailed:
    return StepFailed(code, what="the fake world refuses", why=why, state="nothing was changed", next="none")


def _probe(done: bool, sentence: str = "the fake world says so") -> Probe:
    return Probe(ProbeState.DONE if done else ProbeState.NOT_DONE, sentence)


def _equal(name: str, source: Mapping[Any, str], target: Mapping[Any, str]) -> Proof:
    odd = sorted(str(key) for key in source.keys() | target.keys() if source.get(key) != target.get(key))
    sentence = f"{len(source)} on the source, {len(target)} on the target, {len(odd)} differ"
    return Proof(name, not odd, sentence, {"source": len(source), "target": len(target)}, tuple(odd))


class _Part:
    def __init__(self, world: World, system: str, token: Callable[[], int]) -> None:
        self.world, self.system, self.token = world, system, token

    @property
    def state(self) -> FakeSystem:
        return self.world.systems[self.system]

    @verb
    def check(self) -> Sequence[Finding]:
        return ()


class _Database(_Part):
    @verb
    @at_target
    def prepare(self) -> Facts:
        self.state.source_role = True
        self.state.target_prepared, self.state.target_writable = True, False
        return {"role": "dcshift_migration"}

    @at_target
    def prepared(self) -> Probe:
        return _probe(self.state.source_role and self.state.target_prepared)

    @verb
    @at_target
    def unprepare(self) -> None:
        self.state.source_role = False
        self.state.target_prepared, self.state.target_writable = False, True

    @verb
    @at_target
    def replicate(self, on_progress: OnProgress) -> Facts:
        self.state.slot = self.state.target_schema = True
        on_progress(Progress("rows", 1, 2, "rows"))
        self.state.target_rows = dict(self.state.source_rows)
        self.state.following = True
        return {"rows": len(self.state.target_rows)}

    @at_target
    def replicated(self) -> Probe:
        return _probe(self.state.following)

    @verb
    @at_target
    def unreplicate(self) -> None:
        self.state.following = self.state.slot = self.state.target_schema = False
        self.state.target_rows, self.state.slot_rows = {}, {}

    @verb
    @at_target
    def fence(self) -> Facts:
        self.state.source_fenced = True
        return {}

    def fenced(self) -> Probe:
        return _probe(self.state.source_fenced)

    @verb
    def unfence(self) -> None:
        self.state.source_fenced = False

    @verb
    def at_rest(self) -> Probe:
        if self.state.source_rows != self.state.source_at_hand_over:
            return _probe(False, "somebody wrote")
        return _probe(self.state.source_fenced and not self.state.source_strangers)

    @verb
    @at_target
    def hand_over(self) -> Facts:
        self.state.source_at_hand_over = dict(self.state.source_rows)
        self.state.following, self.state.target_writable = False, True
        return {"sequences": 3}

    @at_target
    def handed_over(self) -> Probe:
        return _probe(self.state.target_writable and not self.state.following)

    @verb
    @at_target
    def take_back(self) -> None:
        if self.state.slot:
            self.state.following, self.state.target_writable = True, False
            self.state.target_rows.update(self.state.slot_rows)
            self.state.slot_rows = {}

    @verb
    @at_target
    def retire_stream(self) -> Facts:
        self.state.slot, self.state.slot_rows = False, {}
        return {}

    @at_target
    def stream_retired(self) -> Probe:
        return _probe(not self.state.slot)

    @verb
    @at_target
    def prove(self, *, frozen: bool, seconds_max: float | None = None, values: bool = False) -> Sequence[Proof]:
        if frozen:
            limit = float("inf") if seconds_max is None else seconds_max
            self.world.clock.sleep(min(self.world.compare_seconds, limit))
            if self.world.compare_seconds > limit:
                return [Proof("rows", False, "it took too long")]
        rows = _equal("rows", self.state.source_rows, self.state.target_rows)
        rest = [Proof(name, True, "equal") for name in ("sequences", "large-objects", "schema", "grants")]
        return [rows, *rest]

    @verb
    @at_target
    def odd_rows(self) -> Sequence[OddRows]:
        source, target = self.state.source_rows, self.state.target_rows
        odd = OddRows(
            "public.dossier",
            frozenset(key for key in source.keys() & target.keys() if source[key] != target[key]),
            frozenset(source.keys() - target.keys()),
            frozenset(target.keys() - source.keys()),
        )
        return [odd] if odd.keys else []

    @verb
    @at_target
    def repair(self, agreed: Sequence[OddRows]) -> Repaired:
        source, target = self.state.source_rows, self.state.target_rows
        [odd] = agreed
        still = {key for key in odd.keys if source.get(key) != target.get(key)}
        for key in still:
            target.pop(key, None)
            target.update({key: source[key]} if key in source else {})
        deleted = len(still & odd.extra)
        return Repaired(len(still) - deleted, deleted, len(odd.keys - still), 0, 0)


class _Files(_Part):
    @verb
    @at_target
    def prepare(self) -> Facts:
        self.state.files_probed = True
        return {}

    def prepared(self) -> Probe:
        return _probe(self.state.files_probed)

    @verb
    def unprepare(self) -> None:
        self.state.files_probed = False

    @verb
    @at_target
    def replicate(self, on_progress: OnProgress) -> Facts:
        on_progress(Progress("files", 1, 2, "files"))
        self.state.target_files = dict(self.state.source_files)
        return {"files": len(self.state.target_files)}

    def replicated(self) -> Probe:
        return _probe(bool(self.state.target_files))

    @verb
    @at_target
    def unreplicate(self) -> None:
        self.state.target_files = {}

    @verb
    @at_target
    def converge(self) -> Facts:
        self.state.target_files.update(self.state.source_files)
        return {}

    @verb
    @at_target
    def hand_over(self) -> Facts:
        self.state.target_files = dict(self.state.source_files)
        return {}

    @at_target
    def handed_over(self) -> Probe:
        return _probe(self.state.source_fenced and self.state.target_files == self.state.source_files)

    @verb
    @at_target
    def take_back(self) -> None:
        return None

    @verb
    @at_target
    def prove(self, *, frozen: bool, full: bool) -> Sequence[Proof]:
        source = self.state.source_files
        target = {name: self.state.target_files[name] for name in source if name in self.state.target_files}
        if not frozen:  # a file that came during the comparison is compared again; here: it was not there yet
            source = {name: content for name, content in source.items() if name in self.state.target_files}
        return [_equal("files", source, target)]


class _Jobs(_Part):
    @verb
    def disarm_source(self) -> Facts:
        self.state.source_jobs = False
        return {}

    def source_disarmed(self) -> Probe:
        return _probe(not self.state.source_jobs)

    @verb
    def rearm_source(self) -> None:
        self.state.source_jobs = True

    @verb
    @at_target
    def arm_target(self) -> Facts:
        self.state.target_jobs = True
        return {}

    @at_target
    def target_armed(self) -> Probe:
        return _probe(self.state.target_jobs)

    @verb
    @at_target
    def disarm_target(self) -> None:
        self.state.target_jobs = False

    @verb
    @at_target
    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        wanted = (serving is Side.SOURCE, serving is Side.TARGET)
        right = (self.state.source_jobs, self.state.target_jobs) == wanted
        return [Proof(name, right, f"serving: {serving}") for name in ("jobs", "workers")]


class _Web(_Part):
    @verb
    @at_target
    def target_ready(self) -> Probe:
        return _probe(True)

    @verb
    @at_target
    def target_answers(self) -> Probe:
        return _probe(True)

    @verb
    def capture_pages(self) -> Facts:
        return {"/": str(sorted(self.state.source_rows))}

    @verb
    @at_target
    def prove_pages(self, captured: Facts) -> Sequence[Proof]:
        equal = captured["/"] == str(sorted(self.state.target_rows))
        return [Proof("pages", equal, "the page / says the same")]

    @verb
    def stop_source(self) -> Facts:
        self.state.source_web = False
        return {}

    def source_stopped(self) -> Probe:
        return _probe(not self.state.source_web)

    @verb
    def start_source(self) -> None:
        self.state.source_web = True


class _Traffic(_Part):
    def _take_turn(self) -> None:
        if self.world.gate_is_silent:
            raise refusal("gate-silent", "the edge host does not answer")
        if self.token() < self.world.gate_turns.get(self.system, 0):
            raise refusal("turn-over", f"turn {self.token()} of {self.system} is over")
        self.world.gate_turns[self.system] = self.token()

    @verb
    def install_gate(self) -> Facts:
        self.state.gate = True
        return {}

    def gate_installed(self) -> Probe:
        return _probe(self.state.gate)

    @verb
    def remove_gate(self) -> None:
        self.state.gate = False

    @verb
    def hold(self) -> Facts:
        self._take_turn()
        self.state.site = "hold"
        return {}

    def held(self) -> Probe:
        self._take_turn()
        return _probe(self.state.site == "hold")

    @verb
    def release_to_source(self) -> None:
        self._take_turn()
        if self.state.site == "target":
            raise refusal("already-released", "the target serves")
        self.state.site = "source"

    @verb
    def release_to_target(self) -> Facts:
        self._take_turn()
        if self.state.site not in ("hold", "target"):
            raise refusal("site-not-held", f"the gate says {self.state.site}")
        self.state.site = "target"
        return {}

    def released_to_target(self) -> Probe:
        self._take_turn()
        return _probe(self.state.site == "target", f"the gate says {self.state.site}")

    @verb
    def prove(self, *, serving: Side) -> Sequence[Proof]:
        return [Proof("traffic", self.state.site == serving, f"the gate says {self.state.site}")]
