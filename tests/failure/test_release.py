"""The release of the held requests: the one step without a way back: cut off, come late, asked at a bad moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from migration.model.ending import Outcome
from migration.model.run import Want
from tests.support.runs import Stand
from tests.support.world import Died, FakeSystem, Fault

SYSTEM = "portal"
CALLS_AFTER = 14
"""How many calls later a release may still arrive: more than the way back of a freeze makes."""


def striking_at(verb: str, fault: Fault) -> Stand:
    """Return a stand in which this fault strikes at this verb."""
    dry = Stand(SYSTEM)
    dry.go()
    [number] = [number for number, call in enumerate(dry.world.calls) if call.endswith(verb)]
    stand = Stand(SYSTEM)
    stand.world.faults[number] = fault
    return stand


@pytest.mark.parametrize("calls", range(CALLS_AFTER))
@pytest.mark.parametrize("die", [False, True], ids=["cut-off", "killed"])
def test_a_release_that_comes_late_is_seen_or_refused_and_no_write_is_lost(calls: int, die: bool) -> None:
    stand = striking_at("release_to_target", Fault(die=die, late=calls))
    for _ in range(4):
        with suppress(Died):
            ending = stand.go()
        assert stand.world.lost(SYSTEM) == []
    assert ending.outcome is Outcome.DONE
    assert stand.world.systems[SYSTEM].site == "target"


@pytest.mark.parametrize("calls", range(CALLS_AFTER))
def test_a_rollback_after_a_kill_at_the_release_never_meets_it(calls: int) -> None:
    stand = striking_at("release_to_target", Fault(die=True, late=calls))
    beginning = stand.world.configuration()
    with pytest.raises(Died):
        stand.go()
    ending = stand.go(Want.ROLLBACK)
    assert stand.world.lost(SYSTEM) == []
    if ending.outcome is Outcome.ROLLED_BACK:
        stand.world.tick()
        assert stand.world.configuration() == beginning
    else:
        assert ending.outcome is Outcome.REFUSED
        assert stand.world.systems[SYSTEM].site == "target"


@pytest.mark.parametrize("calls", range(CALLS_AFTER))
def test_a_hold_that_comes_late_does_not_stay_behind_its_way_back(calls: int) -> None:
    stand = striking_at("traffic.hold", Fault(late=calls))
    assert stand.go().outcome is Outcome.FAILED
    for _ in range(CALLS_AFTER):
        stand.world.calls.append("time passes")
        stand.world.tick()
    assert stand.world.systems[SYSTEM].site == "source", "citizens wait for nobody"


def _somebody_enters(system: FakeSystem) -> None:
    system.source_strangers = 1


def _somebody_writes(system: FakeSystem) -> None:
    system.source_rows[2] = "a superuser's"


def _the_fence_opens(system: FakeSystem) -> None:
    system.source_fenced = False


def _the_gate_lets_through(system: FakeSystem) -> None:
    system.site = "source"


@pytest.mark.parametrize(
    "event",
    [_somebody_enters, _somebody_writes, _the_fence_opens, _the_gate_lets_through],
    ids=lambda one: one.__name__,
)
@pytest.mark.parametrize("last_proof", ["web.prove_pages", "files.prove"])
def test_what_happens_at_the_source_after_the_proofs_stops_the_release(
    event: Callable[[FakeSystem], None], last_proof: str
) -> None:
    stand = Stand(SYSTEM)
    system = stand.world.systems[SYSTEM]

    def happen(_system: str, verb: str) -> None:
        if verb.endswith(last_proof) and system.site == "hold":
            event(system)

    stand.world.tampering = happen
    ending = stand.go()
    assert (ending.outcome, ending.step) == (Outcome.FAILED, "wave-1/portal/traffic/cutover")
    assert not any(call.endswith("jobs.arm_target") for call in stand.world.calls)
    assert (system.site, system.source_fenced, system.source_jobs, system.following) == ("source", False, True, True)
    stand.world.tampering = lambda _system, _verb: None
    system.source_strangers, system.source_rows[2], system.target_rows[2] = 0, "b", "b"
    assert stand.go().outcome is Outcome.DONE
    assert stand.world.lost(SYSTEM) == []


@dataclass
class Severed(Fault):
    """The release fails, and from then on the gate does not answer."""

    stand: Stand | None = None

    def strike(self, verb: str) -> None:
        assert self.stand is not None
        self.stand.world.gate_is_silent = True
        super().strike(verb)


def severed(*, after_effect: bool) -> Stand:
    """Return a stand that is stuck at a release of which nobody knows whether it happened."""
    fault = Severed(after_effect=after_effect)
    stand = fault.stand = striking_at("release_to_target", fault)
    assert stand.go().outcome is Outcome.STUCK
    return stand


def test_a_release_of_which_nobody_knows_is_asked_about_again_and_may_go_back() -> None:
    stand = severed(after_effect=False)
    assert stand.go(Want.ROLLBACK).outcome is Outcome.REFUSED, "nobody knows yet"
    stand.world.gate_is_silent = False
    assert stand.go(Want.ROLLBACK).outcome is Outcome.ROLLED_BACK
    assert stand.world.systems[SYSTEM].site == "source"
    assert stand.world.lost(SYSTEM) == []


def test_a_release_that_turns_out_to_have_happened_is_not_taken_back_and_goes_on() -> None:
    stand = severed(after_effect=True)
    stand.world.gate_is_silent = False
    assert stand.go(Want.ROLLBACK).outcome is Outcome.REFUSED
    assert stand.world.systems[SYSTEM].site == "target"
    assert stand.go().outcome is Outcome.DONE
    assert [call for call in stand.world.calls if call.endswith("release_to_target")] == [
        "portal.traffic.release_to_target"
    ]
    assert stand.world.lost(SYSTEM) == []
