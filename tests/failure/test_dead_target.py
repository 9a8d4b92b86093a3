"""The target dies, nothing of it answers any more: citizens go back to the source, and what is left over is named."""

from __future__ import annotations

import functools

import pytest

from migration.decisions import holding
from migration.model.ending import Ending, Outcome
from migration.model.run import Status, Want
from migration.model.words import Stage
from tests.support.runs import Stand
from tests.support.world import Died, Fault

SYSTEM = "portal"


@functools.cache
def freeze() -> tuple[tuple[int, str], ...]:
    """Return every call from the first of the freeze to the last question to the target, right before the release."""
    stand = Stand(SYSTEM)
    stand.go()
    names = [call.partition(".")[2] for call in stand.world.calls]
    first, last = names.index("files.converge"), names.index("web.target_answers")
    return tuple((number, names[number]) for number in range(first, last + 1))


each_call = pytest.mark.parametrize("call", freeze(), ids=lambda call: f"{call[0]}-{call[1]}")


def assert_the_source_serves(stand: Stand) -> None:
    system = stand.world.systems[SYSTEM]
    assert (system.site, system.source_fenced, system.source_jobs, system.source_web) == ("source", False, True, True)
    assert not holding(stand.state(), stand.plan, SYSTEM)
    before = len(system.acknowledged)
    stand.world.tick()
    assert len(system.acknowledged) == before + 1
    assert stand.world.lost(SYSTEM) == []


def assert_the_rest_is_named(stand: Stand, ending: Ending) -> None:
    """Either nothing was left at the target, or the run stopped at the step whose way back needs it."""
    left = [step for step in stand.plan.of(SYSTEM) if stand.state().step(step.id).status is Status.UNDO_FAILED]
    if ending.outcome is Outcome.FAILED:
        assert left == []
        return
    assert ending.outcome is Outcome.STUCK
    assert [step.id for step in left] == [ending.step]
    assert left[0].stage is Stage.CUTOVER
    assert stand.state().step(left[0].id).error["code"] == "target-silent"  # type: ignore[index]


def assert_all_ends_well(stand: Stand) -> None:
    stand.world.target_dies_at = None
    for _ in range(2):  # the first may only finish the way back
        ending = stand.go()
    assert ending.outcome is Outcome.DONE, ending
    assert stand.world.systems[SYSTEM].site == "target"
    assert stand.world.lost(SYSTEM) == []


@each_call
def test_a_target_that_dies_in_the_freeze_leaves_the_source_serving(call: tuple[int, str]) -> None:
    stand = Stand(SYSTEM)
    stand.world.target_dies_at = call[0]
    ending = stand.go()
    assert_the_source_serves(stand)
    assert_the_rest_is_named(stand, ending)
    assert_all_ends_well(stand)


@each_call
@pytest.mark.parametrize("want", [Want.FORWARD, Want.ROLLBACK])
def test_a_process_killed_in_the_freeze_whose_target_is_dead_gives_the_source_back(
    call: tuple[int, str], want: Want
) -> None:
    stand = Stand(SYSTEM)
    stand.world.target_dies_at = call[0]
    stand.world.faults[call[0]] = Fault(die=True)
    with pytest.raises(Died):
        stand.go()
    ending = stand.go(want)
    assert_the_source_serves(stand)
    if want is Want.FORWARD:
        assert_the_rest_is_named(stand, ending)
    else:
        assert ending.outcome is Outcome.STUCK, "what was copied to the target could not be removed"
        assert ending.step is not None
    assert_all_ends_well(stand)


def test_of_two_systems_the_one_whose_citizens_wait_goes_back_first() -> None:
    stand = Stand()
    systems = stand.plan.systems()
    waiting, other = systems[0], systems[-1]
    assert stand.go(systems=[other], until=Stage.REPLICATE).outcome is Outcome.DONE

    def kill(system: str, verb: str) -> None:
        if verb.endswith("database.fence"):
            raise Died(verb)

    stand.world.tampering = kill
    with pytest.raises(Died):
        stand.go(systems=[waiting])
    stand.world.tampering = lambda _system, _verb: None
    called = len(stand.world.calls)
    assert stand.go(Want.ROLLBACK).outcome is Outcome.ROLLED_BACK
    back = stand.world.calls[called:]
    assert back.index(f"{waiting}.traffic.release_to_source") < back.index(f"{other}.database.unreplicate")
