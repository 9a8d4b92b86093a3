"""A freeze that died can always be resumed to its end, and no error says that nothing happened while citizens wait."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from migration.store import load
from tests.support.examples import EXAMPLE
from tests.support.workspace import Terminal
from tests.support.world import Died, Fault


def died(folder: Path, verb: str) -> Terminal:
    """Return a terminal whose first process was killed at this verb, with a catalogue of its own."""
    for file in EXAMPLE.glob("*.yaml"):
        shutil.copy(file, folder)
    terminal = Terminal(folder)
    terminal.type("survey")
    terminal.type("plan")

    def die(system: str, now: str) -> None:
        if now.endswith(verb) and not terminal.world.faults:
            terminal.world.faults[len(terminal.world.calls)] = Fault(die=True)

    terminal.world.tampering = die
    with pytest.raises(Died):
        terminal.type("run --wave 1")
    return terminal


def change_catalogue(terminal: Terminal) -> None:
    file = terminal.workspace.catalogue_folder / "portal.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("level: 3", "level: 4"), encoding="utf-8")


def spoil_catalogue(terminal: Terminal) -> None:
    file = terminal.workspace.catalogue_folder / "feedback.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "\ncolour: x\n", encoding="utf-8")


def lose_the_cluster(terminal: Terminal) -> None:
    terminal.workspace.targets.update(dict.fromkeys(terminal.workspace.targets, "the API server did not answer"))


@pytest.mark.parametrize("change", [change_catalogue, spoil_catalogue, lose_the_cluster])
@pytest.mark.parametrize("verb", ["traffic.hold", "database.fence", "database.hand_over"])
def test_a_run_inside_a_freeze_is_resumed_whatever_changed(verb: str, change: object, tmp_path: Path) -> None:
    terminal = died(tmp_path, verb)
    assert terminal.world.systems["portal"].site == "hold"
    change(terminal)  # type: ignore[operator]
    status, _, err = terminal.type("run --wave 1")
    portal = terminal.world.systems["portal"]
    assert (status, portal.site, portal.source_jobs, portal.target_jobs) == (0, "target", False, True), err
    assert terminal.world.lost("portal") == []


def test_what_has_changed_stops_the_systems_that_are_not_inside(tmp_path: Path) -> None:
    terminal = died(tmp_path, "traffic.hold")
    change_catalogue(terminal)
    status, out, err = terminal.type("run")
    assert status == 3
    assert "an open freeze is brought to its end before anything else is looked at" in err
    assert "Done." in out
    assert "error[blocked]" in err
    assert "state: what is said above was done; nothing more was changed" in err
    assert terminal.world.systems["portal"].site == "target"
    assert not any(call.startswith("feedback.") for call in terminal.world.calls)


def test_every_error_says_that_citizens_wait_and_what_ends_it(tmp_path: Path) -> None:
    terminal = died(tmp_path, "traffic.hold")
    going = load(terminal.workspace.plans).plan.id[:6]
    spoil_catalogue(terminal)
    for line in ("plan", "verify gis", "run --plan abcdef", "catalogue check"):
        status, _, err = terminal.type(line)
        assert status == 2, line
        assert "citizens of portal may be waiting at the gate" in err, line
        assert f"next:  dcshift run --plan {going}   ends the freeze; then: " in err, line
    _, _, err = terminal.type("plan --json")
    error = json.loads(err)["error"]
    assert "citizens of portal may be waiting at the gate" in error["state"]
    assert isinstance(error["why"], list)


def test_a_newer_plan_is_refused_with_who_waits_and_the_older_one_ends_it(tmp_path: Path) -> None:
    terminal = died(tmp_path, "traffic.hold")
    going = load(terminal.workspace.plans).plan.id[:6]
    later = terminal.workspace.seen.model_copy(update={"observed_at": "2026-11-24T11:00:00Z"})
    terminal.workspace = dataclasses.replace(terminal.workspace, seen=later)
    terminal.type("survey")
    terminal.type("plan")
    status, _, err = terminal.type("run --wave 1")
    assert status == 3
    assert "state: this command changed nothing; citizens of portal may be waiting at the gate" in err
    assert "source serves portal" not in err
    assert terminal.type(f"run --plan {going} --wave 1")[0] == 0
    assert terminal.world.systems["portal"].site == "target"


def test_after_the_release_the_state_names_the_target(tmp_path: Path) -> None:
    terminal = died(tmp_path, "traffic.release_to_target")
    terminal.world.faults.clear()
    terminal.world.faults[len(terminal.world.calls) + 2] = Fault()
    status, _, err = terminal.type("run --wave 1")
    assert status == 4
    assert "state: the target serves portal and its jobs may be armed on no side; as planted" in err


def test_a_blocked_run_says_who_serves_by_the_journal() -> None:
    terminal = Terminal()
    terminal.type("survey")
    terminal.type("plan")
    terminal.workspace.targets["feedback"] = "HTTP 404"
    _, _, err = terminal.type("run")
    assert "state: this command changed nothing; the source serves portal, the source serves feedback" in err
