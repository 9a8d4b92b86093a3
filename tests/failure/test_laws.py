"""The laws of failure, each one generic test over every moment of the example plan; a new step is covered on arrival.

A dry run counts the calls and records of a whole move of one system; each law then plants its fault at each of them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest

from migration.model.ending import Outcome
from migration.model.run import Kind, Policy, Status, Want, proofs_from
from migration.model.words import Stage
from tests.support.runs import Stand
from tests.support.world import Died, Fault

SYSTEM = "portal"


@dataclass(frozen=True)
class Moment:
    """One call of a verb in a run without faults."""

    number: int
    verb: str
    step: str
    past: bool
    """After requests were released to the target."""

    def __str__(self) -> str:
        return f"{self.number}-{self.verb}@{self.step}"


@functools.cache
def moments() -> tuple[Moment, ...]:
    stand = Stand(SYSTEM)
    found: list[Moment] = []
    original = stand.listener.recorded

    def recorded(event, step):  # type: ignore[no-untyped-def]
        original(event, step)
        if event.kind is Kind.DONE:
            for number in range(len(found), len(stand.world.calls)):
                past = any(call.endswith("release_to_target") for call in stand.world.calls[:number])
                found.append(Moment(number, stand.world.calls[number], event.step, past))

    stand.listener.recorded = recorded  # type: ignore[method-assign]
    assert stand.go().outcome is Outcome.DONE
    assert len(found) == len(stand.world.calls)
    return tuple(found)


@functools.cache
def records() -> int:
    stand = Stand(SYSTEM)
    stand.go()
    return stand.written


@functools.cache
def goal() -> object:
    stand = Stand(SYSTEM)
    stand.go()
    return _shape(stand)


def _shape(stand: Stand) -> object:
    """Return the end of a move without what depends on how many writes came in between."""
    shape = stand.world.configuration()
    for system in shape.values():
        system["target_rows"] = system["target_files"] = None
    return shape


def _assert_moved(stand: Stand) -> None:
    assert _shape(stand) == goal()
    assert stand.world.lost(SYSTEM) == []
    journal = stand.journal()
    assert journal.verify_chain().broken_at is None
    journal.close()


each_moment = pytest.mark.parametrize("moment", moments(), ids=str)
either_side = pytest.mark.parametrize("after_effect", [False, True], ids=["before-effect", "after-effect"])


@each_moment
@either_side
def test_law_1_a_failure_before_release_restores_the_beginning_and_after_it_keeps_the_source(
    moment: Moment, after_effect: bool
) -> None:
    stand = Stand(SYSTEM)
    beginning = stand.world.configuration()
    stand.world.faults[moment.number] = Fault(after_effect=after_effect)
    ending = stand.go(policy=Policy.ALL)
    assert stand.world.lost(SYSTEM) == []
    if moment.past or (after_effect and moment.verb.endswith("release_to_target")):
        assert ending.outcome is Outcome.STUCK
        assert stand.world.systems[SYSTEM].site == "target"
        assert set(stand.world.systems[SYSTEM].source_rows) <= set(stand.world.systems[SYSTEM].target_rows)
    else:
        assert ending.outcome is Outcome.FAILED
        assert ending.step == moment.step
        assert stand.world.configuration() == beginning
    assert stand.go().outcome is Outcome.DONE
    _assert_moved(stand)


@pytest.mark.parametrize("moment", [moment for moment in moments() if not moment.past], ids=str)
@either_side
def test_law_1_with_the_freeze_policy_the_source_serves_and_copies_stay(moment: Moment, after_effect: bool) -> None:
    if after_effect and moment.verb.endswith("release_to_target"):
        return  # then it is past the point of no return, and policies end there
    stand = Stand(SYSTEM)
    stand.world.faults[moment.number] = Fault(after_effect=after_effect)
    ending = stand.go(policy=Policy.FREEZE)
    assert ending.outcome is Outcome.FAILED
    system = stand.world.systems[SYSTEM]
    assert (system.site, system.source_fenced, system.source_jobs, system.source_web) == ("source", False, True, True)
    if stand.plan.step(moment.step).stage in (Stage.QUIESCE, Stage.CUTOVER):
        assert system.following
        assert not system.target_writable
    assert stand.go().outcome is Outcome.DONE
    _assert_moved(stand)


def test_law_2_any_step_done_twice_gives_the_same_world() -> None:
    stand = Stand(SYSTEM)
    stand.world.twice = True
    assert stand.go().outcome is Outcome.DONE
    _assert_moved(stand)


def test_law_2_any_step_undone_twice_gives_the_same_world() -> None:
    stand = Stand(SYSTEM)
    beginning = stand.world.configuration()
    stand.world.faults[_release().number] = Fault()
    stand.world.twice = True
    assert stand.go(policy=Policy.ALL).outcome is Outcome.FAILED
    assert stand.world.configuration() == beginning


@each_moment
@either_side
def test_law_3_a_process_killed_inside_any_verb_is_resumed(moment: Moment, after_effect: bool) -> None:
    stand = Stand(SYSTEM)
    stand.world.faults[moment.number] = Fault(die=True, after_effect=after_effect)
    with pytest.raises(Died):
        stand.go()
    assert stand.go().outcome is Outcome.DONE
    _assert_moved(stand)


@pytest.mark.parametrize("record", range(1, records() + 1))
@pytest.mark.parametrize("before", [False, True], ids=["after-the-record", "before-the-record"])
def test_law_3_a_process_killed_around_any_record_is_resumed(record: int, before: bool) -> None:
    stand = Stand(SYSTEM)
    with pytest.raises(Died):
        stand.go(dies_at=record, before=before)
    assert stand.go().outcome is Outcome.DONE
    _assert_moved(stand)


def test_law_3_a_way_back_killed_around_any_record_reaches_the_same_end() -> None:
    record = 0
    while True:
        record += 1
        stand = Stand(SYSTEM)
        beginning = stand.world.configuration()
        stand.world.faults[_release().number] = Fault()
        try:
            stand.go(policy=Policy.ALL, dies_at=record)
            break
        except Died:
            ending = stand.go(policy=Policy.ALL)
        if ending.outcome is Outcome.DONE:
            # Killed before the fault's own record was written: the fault struck once, and the next attempt went well.
            assert stand.world.systems[SYSTEM].site == "target"
            continue
        assert ending.outcome is Outcome.FAILED, record
        assert stand.world.configuration() == beginning
    assert record > 60


def test_law_3_a_rollback_killed_around_any_record_reaches_the_same_end() -> None:
    record = 0
    while True:
        record += 1
        stand = Stand(SYSTEM)
        beginning = stand.world.configuration()
        stand.go(until=Stage.REPLICATE)
        try:
            stand.go(Want.ROLLBACK, dies_at=record)
            break
        except Died:
            assert stand.go(Want.ROLLBACK).outcome is Outcome.ROLLED_BACK
            assert stand.world.configuration() == beginning
    assert record > 10


@pytest.mark.parametrize("number", range(20))
def test_law_4_a_failed_undo_stops_and_names_the_step(number: int) -> None:
    stand = Stand(SYSTEM)
    beginning = stand.world.configuration()
    release = _release().number
    stand.world.faults[release] = Fault()
    stand.world.faults[release + 1 + number] = Fault()
    ending = stand.go(policy=Policy.ALL)
    if ending.outcome is Outcome.FAILED:
        assert len(stand.world.calls) <= release + 1 + number, "the fault was never met: there are fewer undos"
        return
    assert ending.outcome is Outcome.STUCK
    assert ending.step is not None
    assert stand.state().step(ending.step).status is Status.UNDO_FAILED
    assert stand.go(Want.ROLLBACK).outcome is Outcome.ROLLED_BACK
    assert stand.world.configuration() == beginning
    assert stand.world.lost(SYSTEM) == []


@each_moment
def test_law_5_a_signal_stops_safely_or_is_refused_while_citizens_wait(moment: Moment) -> None:
    stand = Stand(SYSTEM)
    stand.signalled = lambda: "SIGTERM" if len(stand.world.calls) > moment.number else None
    ending = stand.go()
    assert stand.world.systems[SYSTEM].site != "hold"
    last = moments()[-1]
    if moment.step == last.step:
        assert ending.outcome is Outcome.DONE
    else:
        assert ending.outcome is Outcome.INTERRUPTED
    if stand.plan.step(moment.step).holds_users and not stand.plan.step(moment.step).point_of_no_return:
        assert "citizens of portal are waiting" in stand.listener.sentences[0]
    stand.signalled = lambda: None
    assert stand.go().outcome is Outcome.DONE
    _assert_moved(stand)


@pytest.mark.parametrize("moment", [moment for moment in moments() if not moment.past], ids=str)
@pytest.mark.parametrize("change", ["altered", "lost", "added"])
def test_law_7_one_row_changed_in_flight_is_found_and_named(moment: Moment, change: str) -> None:
    stand = Stand(SYSTEM)
    met: list[int] = []

    def tamper(system: str, verb: str) -> None:
        rows = stand.world.systems[system].target_rows
        if len(stand.world.calls) < moment.number + 1 or met or not stand.world.systems[system].slot:
            return
        if stand.world.systems[system].site == "target":
            return
        met.append(1)
        if change == "altered":
            rows[2] = "somebody else's"
        elif change == "lost":
            rows.pop(2, None)
        else:
            rows[999_999] = "a ghost"

    stand.world.tampering = tamper
    ending = stand.go()
    if verification_is_over(moment):
        return
    assert met
    assert ending.outcome is Outcome.FAILED, ending
    assert stand.world.systems[SYSTEM].site == "source"
    [failed] = [event for event in stand.listener.events if event.kind is Kind.FAILED]
    [rows] = [proof for proof in proofs_from(failed.content) if not proof.passed]
    assert rows.differences == (("999999",) if change == "added" else ("2",))


def verification_is_over(moment: Moment) -> bool:
    """Say whether the full comparison under the freeze has been made: afterwards only pages are compared."""
    comparison = [other for other in moments() if other.verb.endswith("database.prove")][-1]
    return moment.number > comparison.number


def _release() -> Moment:
    [release] = [moment for moment in moments() if moment.verb.endswith("release_to_target")]
    return release
