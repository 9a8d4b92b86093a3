"""Two orchestrators on one journal: they never act at once, a dead one is replaced, a paused one changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from migration.adapters.clock import is_alive, this_process
from migration.errors import StepFailed
from migration.journal import LEASE_SECONDS
from migration.model.ending import Outcome
from migration.model.lease import Busy, Holder, Lease
from migration.model.run import Kind, Want
from migration.model.words import Stage
from tests.support.examples import NOW
from tests.support.runs import Stand
from tests.support.world import Fault, VirtualClock

ONE, OTHER = Holder("here", "boot", 1, "0"), Holder("here", "boot", 2, "0")


class SlowClock(VirtualClock):
    """Short waits that count for little: two threads that share a virtual clock make no lease of each other expire.

    No real time either: on a machine that stands still for a minute a freeze would be too long.
    """

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.005))
        super().sleep(min(seconds, 0.001))


def test_two_at_once_take_turns_and_both_end_well() -> None:
    stand = Stand()
    stand.clock = stand.world.clock = SlowClock(NOW)
    endings: list[object] = []
    # The same component of both systems lives on the same host. Different components may be at work side by side, and
    # a question to the target needs no host.
    inside, overlaps = {component: threading.Lock() for component in ("database", "files", "jobs", "traffic")}, []

    def watched(_system: str, verb: str) -> None:
        component = verb.split(".")[1]
        if component not in inside:
            return
        if not inside[component].acquire(blocking=False):
            overlaps.append(verb)
            return
        time.sleep(0.001)
        inside[component].release()

    stand.world.tampering = watched
    threads = [
        threading.Thread(target=lambda name=name: endings.append(stand.go(systems=[name])))  # type: ignore[misc]
        for name in stand.plan.systems()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [ending.outcome for ending in endings] == [Outcome.DONE, Outcome.DONE]  # type: ignore[attr-defined]
    assert overlaps == [], "both act on the same hosts, so their steps must never overlap"
    assert all(stand.world.lost(name) == [] for name in stand.plan.systems())
    journal = stand.journal()
    assert journal.verify_chain().broken_at is None


def test_a_second_run_of_the_same_system_is_refused_while_the_first_lives() -> None:
    stand = Stand("portal")
    journal = stand.journal()
    held = journal.take(["system:portal"], Holder("here", "boot", 99, "0"))
    assert isinstance(held, Lease)
    ending = stand.go()
    assert ending.outcome is Outcome.BUSY
    assert "process 99" in ending.sentence
    assert stand.world.calls == []


@pytest.mark.parametrize("verb", ["files.replicate", "database.fence"])
def test_a_run_that_is_turned_away_does_not_change_where_the_other_goes(verb: str) -> None:
    stand = Stand("portal")
    turned_away: list[Outcome] = []

    def run_beside(_system: str, now: str) -> None:
        if now.endswith(verb) and not turned_away:
            turned_away.append(stand.go(until=Stage.PREPARE).outcome)

    stand.world.tampering = run_beside
    assert stand.go().outcome is Outcome.DONE
    assert turned_away == [Outcome.BUSY]
    assert stand.world.systems["portal"].site == "target"


def test_a_lease_of_a_dead_process_is_free_at_once_and_of_a_silent_machine_after_its_time() -> None:
    stand = Stand("portal")
    journal = stand.journal()
    first = journal.take(["system:portal", "host:db1"], ONE)
    assert isinstance(first, Lease)
    assert isinstance(journal.take(["host:db1"], OTHER), Busy)
    stand.clock.sleep(LEASE_SECONDS + 1)
    second = journal.take(["host:db1"], OTHER)
    assert isinstance(second, Lease)
    assert second.token > first.token
    stand._dead.add(OTHER.pid)
    assert isinstance(journal.take(["host:db1"], Holder("here", "boot", 3, "0")), Lease)


def test_a_paused_process_that_wakes_up_records_nothing() -> None:
    stand = Stand("portal")
    journal = stand.journal()
    run = journal.open_run(stand.plan.id)
    step = stand.plan.steps[0].id
    mine = journal.take(["system:portal"], ONE)
    assert isinstance(mine, Lease)
    journal.append(run, Kind.STARTED, step=step, content={"verb": "do"}, lease=mine)
    stand.clock.sleep(LEASE_SECONDS + 1)
    assert isinstance(journal.take(["system:portal"], OTHER), Lease)
    with pytest.raises(StepFailed) as refused:
        journal.append(run, Kind.DONE, step=step, content={"facts": {}, "proofs": []}, lease=mine)
    assert refused.value.code == "lease-lost"
    with pytest.raises(StepFailed):
        journal.renew(mine)
    journal.release(mine)
    assert list(journal.holders()) == ["system:portal"]


def test_a_lost_lease_is_not_taken_for_a_failure_of_the_step() -> None:
    stand = Stand("portal")

    def taken_over(system: str, verb: str) -> None:
        if verb.endswith("database.replicate"):
            stand.clock.sleep(LEASE_SECONDS + 1)
            assert isinstance(stand.journal().take(["system:portal"], OTHER), Lease)

    stand.world.tampering = taken_over
    with pytest.raises(StepFailed) as lost:
        stand.go()
    assert lost.value.code == "lease-lost"
    assert stand.world.calls[-1].endswith("database.prove"), "nothing was undone by the process that lost its lease"


def test_a_rollback_asked_from_beside_is_obeyed_by_the_process_at_work() -> None:
    stand = Stand("portal")
    beginning = stand.world.configuration()

    def ask(system: str, verb: str) -> None:
        if verb.endswith("database.fence"):
            journal = stand.journal()
            content = {"want": Want.ROLLBACK, "systems": ["portal"]}
            journal.append(journal.open_run(stand.plan.id), Kind.WANTED, content=content)  # type: ignore[arg-type]

    stand.world.tampering = ask
    assert stand.go().outcome is Outcome.ROLLED_BACK
    assert stand.world.configuration() == beginning
    assert stand.world.lost("portal") == []


def test_a_pause_asked_in_the_hold_is_obeyed_after_the_release() -> None:
    stand = Stand("portal")

    def ask(system: str, verb: str) -> None:
        if verb.endswith("database.fence"):
            journal = stand.journal()
            journal.append(
                journal.open_run(stand.plan.id), Kind.WANTED, content={"want": Want.PAUSE, "systems": ["portal"]}
            )

    stand.world.tampering = ask
    assert stand.go(until=Stage.CUTOVER).outcome is Outcome.PAUSED
    assert stand.world.systems["portal"].site == "target"
    stand.world.tampering = lambda system, verb: None
    assert stand.go().outcome is Outcome.DONE


def test_a_rollback_after_release_is_refused_and_changes_nothing() -> None:
    stand = Stand("portal")
    stand.go()
    before = (stand.world.configuration(), list(stand.world.calls))
    assert stand.go(Want.ROLLBACK).outcome is Outcome.REFUSED
    assert (stand.world.configuration(), list(stand.world.calls)) == before


def test_a_freeze_that_takes_too_long_is_given_up_and_citizens_go_back() -> None:
    stand = Stand("portal")
    stand.world.seconds["portal.database.fence"] = 45.0
    ending = stand.go()
    assert ending.outcome is Outcome.FAILED
    system = stand.world.systems["portal"]
    assert (system.site, system.source_fenced, system.source_jobs, system.following) == ("source", False, True, True)
    [failed] = [event for event in stand.listener.events if event.kind is Kind.FAILED]
    assert failed.content["error"]["code"] == "hold-too-long"  # type: ignore[index,call-overload]
    stand.world.seconds.clear()
    assert stand.go().outcome is Outcome.DONE


def test_a_step_that_reached_its_effect_too_late_is_not_even_compared() -> None:
    stand = Stand("portal")
    stand.world.seconds["portal.database.hand_over"] = 45.0
    assert stand.go().outcome is Outcome.FAILED
    calls = stand.world.calls
    assert "portal.database.prove" not in calls[calls.index("portal.database.hand_over") :]
    assert stand.world.systems["portal"].site == "source"


def test_a_comparison_without_end_is_given_up_when_citizens_have_waited_long_enough() -> None:
    stand = Stand("portal")
    stand.world.compare_seconds = 3_600.0
    waited: dict[str, float] = {}
    stand.world.tampering = lambda _system, verb: waited.update({verb.rpartition(".")[2]: stand.clock.now()})
    assert stand.go().outcome is Outcome.FAILED
    assert waited["release_to_source"] - waited["hold"] < 35
    assert stand.world.systems["portal"].site == "source"


def test_an_error_that_nobody_foresaw_lets_citizens_go_back_too() -> None:
    stand = Stand("portal")

    def bug(system: str, verb: str) -> None:
        if verb.endswith("files.hand_over"):
            raise ZeroDivisionError("a bug")

    stand.world.tampering = bug
    assert stand.go().outcome is Outcome.FAILED
    assert stand.world.systems["portal"].site == "source"
    [failed] = [event for event in stand.listener.events if event.kind is Kind.FAILED]
    assert failed.content["error"]["code"] == "unexpected-error"  # type: ignore[index,call-overload]


def test_a_fault_in_one_system_stops_before_the_next_wave() -> None:
    stand = Stand()
    stand.world.faults[3] = Fault()
    assert stand.go().outcome is Outcome.FAILED
    assert not any(call.startswith("feedback") for call in stand.world.calls)


def test_this_process_is_alive_and_a_killed_one_is_not() -> None:
    assert is_alive(this_process())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = this_process()
    began = Path(f"/proc/{child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    holder = Holder(me.machine, me.boot, child.pid, began)
    assert is_alive(holder)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(holder), "a zombie acts no more"
    child.wait()
    assert not is_alive(holder)
    assert not is_alive(Holder(me.machine, "another boot", os.getpid(), me.began))
    assert is_alive(Holder("another machine", "?", 1, "?")), "of another machine nothing can be known"
