"""What stops a move is said once: no blocker in the progress and again in the ending, no host's name three times."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.adapters.playbook_outcome import unreachable
from migration.model.words import Finding, Severity
from migration.store import Pinned
from migration.wiring import Workspace
from tests.support.examples import EXAMPLE, catalogue, contracts, example_plan, inventory
from tests.support.workspace import Terminal
from tests.unit.migration_adapters.test_reach import inventory_file

NOON = Finding(Severity.BLOCKER, "outside-window", "khanhhoa", "it is noon in the province", "wait for the night")
MILD = Finding(Severity.WARNING, "decision-ends-soon", "portal", "its decision ends in 20 days", "renew it")


@pytest.fixture
def terminal() -> Terminal:
    made = Terminal()
    made.type("survey")
    made.type("plan")
    return made


def test_blockers_that_stop_a_run_are_in_its_ending_alone(terminal: Terminal) -> None:
    terminal.workspace.findings.extend([NOON, MILD])
    status, out, err = terminal.type("run --wave 1")
    assert status == 3
    assert (out + err).count(NOON.what) == 1
    assert f"blocker[outside-window] khanhhoa: {NOON.what}\n  next: wait for the night" in out
    assert f"! warning at portal: {MILD.what}" in err


def test_blockers_inside_a_freeze_are_in_the_error_that_takes_it_back_alone(terminal: Terminal) -> None:
    terminal.type("run --wave 1 --until replicate")

    def forbid(system: str, verb: str) -> None:
        if verb.endswith("traffic.hold"):
            terminal.workspace.findings.append(NOON)

    terminal.world.tampering = forbid
    status, out, err = terminal.type("run --wave 1")
    assert status == 1
    assert "blocked-inside-the-freeze" in err
    assert (out + err).count(NOON.what) == 1


def test_blockers_after_the_release_stop_nothing_and_are_said_once(terminal: Terminal) -> None:
    def forbid(system: str, verb: str) -> None:
        if verb.endswith("traffic.release_to_target"):
            terminal.workspace.findings.append(NOON)
        if verb.endswith("jobs.arm_target"):
            terminal.workspace.findings.clear()

    terminal.world.tampering = forbid
    status, out, err = terminal.type("run --wave 1")
    assert status == 0
    assert (out + err).count(NOON.what) == 1


def test_a_host_that_refuses_is_named_once() -> None:
    error = unreachable("prepare", {"edge1": "operator@203.0.113.9: Permission denied (publickey)."})
    assert f"{error.what}: {error.why}".count("edge1") == 1
    both = unreachable("prepare", {"edge1": "Permission denied", "db1": "Connection timed out"})
    assert "db1: Connection timed out; edge1: Permission denied" in both.why


def test_a_finding_names_its_host_once(tmp_path: Path) -> None:
    workspace = Workspace(EXAMPLE, inventory_file(tmp_path), tmp_path / "none", tmp_path / "state", None)
    pinned = Pinned(example_plan("portal"), catalogue(), inventory(), contracts())
    for found in workspace.reach_findings(pinned, ["portal"]):
        assert f"{found.where}: {found.what}".count(found.where) == 1
        assert f"{found.where}: cannot be reached over SSH" in f"{found.where}: {found.what}"
