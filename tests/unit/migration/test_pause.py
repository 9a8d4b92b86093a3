"""`dcshift pause`: obeyed before the next step, inside a freeze after its end; it says when nobody is there to obey."""

from __future__ import annotations

import json

import pytest

from tests.support.workspace import Terminal
from tests.support.world import Died, Fault


def planned() -> Terminal:
    terminal = Terminal()
    terminal.type("survey")
    terminal.type("plan")
    return terminal


def pausing(terminal: Terminal, verb: str) -> list[str]:
    """Type `pause` while this verb works; what it said is in the list."""
    said: list[str] = []

    def pause(system: str, now: str) -> None:
        if now.endswith(verb) and not said:
            said.append(terminal.type("pause portal")[1])

    terminal.world.tampering = pause
    return said


@pytest.mark.parametrize(
    ("verb", "site"),
    [
        ("database.replicate", "source"),
        ("jobs.disarm_source", "source"),
        ("traffic.hold", "target"),
        ("database.hand_over", "target"),
        ("traffic.release_to_target", "target"),
    ],
)
def test_a_pause_leaves_nobody_waiting_and_no_job_at_rest(verb: str, site: str) -> None:
    terminal = planned()
    said = pausing(terminal, verb)
    status, out, _ = terminal.type("run --wave 1")
    assert said == ["portal will stop before the next step; inside a freeze, after it is ended\n"]
    portal = terminal.world.systems["portal"]
    assert (status, portal.site) == (130, site)
    assert (portal.source_jobs, portal.target_jobs) == (site == "source", site == "target")
    assert f"state: the {site} serves portal; what was done stays" in out
    assert terminal.type("run --wave 1")[0] == 0


def test_where_nobody_is_at_work_it_says_so() -> None:
    terminal = planned()
    status, out, _ = terminal.type("pause portal")
    assert (status, out) == (0, "nobody is at work on portal: there is nothing to stop\nnext: dcshift run\n")
    assert json.loads(terminal.type("pause portal --json")[1])["at_work"] == []


def test_a_freeze_whose_process_is_dead_cannot_be_paused() -> None:
    terminal = planned()

    def die(system: str, now: str) -> None:
        if now.endswith("database.fence"):
            terminal.world.faults = {len(terminal.world.calls): Fault(die=True)}

    terminal.world.tampering = die
    with pytest.raises(Died):
        terminal.type("run --wave 1")
    status, out, err = terminal.type("pause")
    assert (status, out) == (2, "")
    assert "error[nobody-to-pause]" in err
    assert "state: nothing was changed by this command; citizens of portal may be waiting at the gate" in err
    assert "ends the freeze; then: dcshift rollback portal --plan" in err
    assert terminal.type("rollback portal")[0] == 0
    assert terminal.world.systems["portal"].site == "source"
