"""What the five moves of the fake world have in common: a verb takes its time, citizens write, faults strike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from migration.errors import StepFailed
from migration.model.words import Finding, Probe, ProbeState, Proof

if TYPE_CHECKING:
    from tests.support.world import FakeSystem, World

VERB_SECONDS = 0.2
_AT_ONCE = ("at_rest", "target_answers")
F = TypeVar("F", bound=Callable[..., Any])


def verb(function: F) -> F:
    """Make a method a verb: time passes, citizens write, and planted faults strike before or after its effect."""

    @functools.wraps(function)
    def wrapper(self: Part, *args: Any, **keywords: Any) -> Any:
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
    def wrapper(self: Part, *args: Any, **keywords: Any) -> Any:
        if self.world.target_is_dead:
            raise refusal("target-silent", "nothing of the target answers")
        return function(self, *args, **keywords)

    return wrapper  # type: ignore[return-value]


def refusal(code: str, why: str) -> StepFailed:
    return StepFailed(code, what="the fake world refuses", why=why, state="nothing was changed", next="none")


def probe(done: bool, sentence: str = "the fake world says so") -> Probe:
    return Probe(ProbeState.DONE if done else ProbeState.NOT_DONE, sentence)


def equal(name: str, source: Mapping[Any, str], target: Mapping[Any, str]) -> Proof:
    odd = sorted(str(key) for key in source.keys() | target.keys() if source.get(key) != target.get(key))
    sentence = f"{len(source)} on the source, {len(target)} on the target, {len(odd)} differ"
    return Proof(name, not odd, sentence, {"source": len(source), "target": len(target)}, tuple(odd))


class Part:
    def __init__(self, world: World, system: str, token: Callable[[], int]) -> None:
        self.world, self.system, self.token = world, system, token

    @property
    def state(self) -> FakeSystem:
        return self.world.systems[self.system]

    @verb
    def check(self) -> Sequence[Finding]:
        return ()
