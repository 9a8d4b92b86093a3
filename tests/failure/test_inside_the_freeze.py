"""Nothing stops inside a freeze and leaves it open: no citizen waits and no job is at rest when a process ends."""

from __future__ import annotations

import pytest

from migration.model.ending import Ending, Outcome
from migration.model.run import Kind, Want
from migration.model.words import Finding, Severity, Stage
from tests.failure.test_laws import Moment, each_moment, moments
from tests.support.runs import Stand
from tests.support.world import Died, Fault

SYSTEM = "portal"
BLOCKER = Finding(Severity.BLOCKER, "catalogue-changed", "plan", "the catalogue was changed", "plan again")


def assert_at_rest(stand: Stand, system: str = SYSTEM) -> None:
    seen = stand.world.systems[system]
    assert seen.site != "hold", "citizens are kept waiting"
    assert (seen.source_jobs, seen.target_jobs) == (seen.site == "source", seen.site == "target")
    assert stand.world.lost(system) == []


def assert_goes_on(stand: Stand) -> None:
    assert stand.go().outcome is Outcome.DONE
    assert stand.world.systems[SYSTEM].site == "target"
    assert_at_rest(stand)


@each_moment
def test_a_signal_leaves_no_freeze_open(moment: Moment) -> None:
    stand = Stand(SYSTEM)
    stand.signalled = lambda: "SIGTERM" if len(stand.world.calls) > moment.number else None
    stand.go()
    assert_at_rest(stand)
    stand.signalled = lambda: None
    assert_goes_on(stand)


@each_moment
def test_a_pause_leaves_no_freeze_open(moment: Moment) -> None:
    stand = Stand(SYSTEM)

    def pause(system: str, verb: str) -> None:
        if len(stand.world.calls) == moment.number + 1:
            journal = stand.journal()
            content = {"want": Want.PAUSE, "systems": [SYSTEM], "by": "somebody"}
            journal.append(journal.open_run(stand.plan.id), Kind.WANTED, content=content)
            journal.close()

    stand.world.tampering = pause
    ending = stand.go()
    assert ending.outcome is Outcome.PAUSED or moment.step == moments()[-1].step
    assert_at_rest(stand)
    assert_goes_on(stand)


def go_after_death(moment: Moment, *, blocked: bool = False, until: Stage = Stage.WATCH) -> tuple[Stand, Ending]:
    """Let a process die in this moment and another one resume it; return how that one ended."""
    stand = Stand(SYSTEM)
    stand.world.faults[moment.number] = Fault(die=True, after_effect=True)
    with pytest.raises(Died):
        stand.go()
    if blocked:
        stand.checks = lambda step, moves: [BLOCKER]
    return stand, stand.go(until=until)


@each_moment
def test_what_a_check_finds_at_a_resumed_freeze_does_not_leave_it_open(moment: Moment) -> None:
    stand, ending = go_after_death(moment, blocked=True)
    assert ending.outcome in (Outcome.BLOCKED, Outcome.FAILED, Outcome.DONE)
    assert_at_rest(stand)
    stand.checks = lambda step, moves: ()
    assert_goes_on(stand)


@each_moment
def test_whoever_resumes_it_with_an_earlier_end_leaves_no_freeze_open(moment: Moment) -> None:
    stand, ending = go_after_death(moment, until=Stage.REPLICATE)
    assert ending.outcome is Outcome.DONE
    assert_at_rest(stand)
    assert_goes_on(stand)


@each_moment
def test_what_a_check_finds_while_it_runs_does_not_leave_it_open(moment: Moment) -> None:
    stand = Stand(SYSTEM)
    stand.checks = lambda step, moves: [BLOCKER] if len(stand.world.calls) > moment.number else []
    stand.go()
    assert_at_rest(stand)
    stand.checks = lambda step, moves: ()
    assert_goes_on(stand)


def test_a_blocker_inside_it_is_named_and_the_freeze_is_taken_back() -> None:
    [held] = [moment for moment in moments() if moment.verb.endswith("traffic.hold")]
    stand, ending = go_after_death(held, blocked=True)
    assert ending.outcome is Outcome.FAILED
    assert stand.world.systems[SYSTEM].site == "source"
    [failed] = [event for event in stand.listener.events if event.kind is Kind.FAILED]
    error = failed.content["error"]
    assert isinstance(error, dict)
    assert error["code"] == "blocked-inside-the-freeze"
    assert "[catalogue-changed] plan: the catalogue was changed" in str(error["why"])


def test_an_open_freeze_is_ended_before_another_system_is_begun() -> None:
    stand = Stand()

    def die(system: str, verb: str) -> None:
        if verb == "feedback.traffic.hold" and not stand.world.faults:
            stand.world.faults[len(stand.world.calls)] = Fault(die=True)

    stand.world.tampering = die
    with pytest.raises(Died):
        stand.go(systems=["feedback"])
    died = len(stand.world.calls)
    assert stand.go().outcome is Outcome.DONE
    first = next(index for index, call in enumerate(stand.world.calls) if call.startswith("portal."))
    released = stand.world.calls.index("feedback.traffic.release_to_target")
    assert died <= released < first
    for system in ("portal", "feedback"):
        assert_at_rest(stand, system)
