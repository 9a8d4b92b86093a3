"""Hosts that do not let us in are found before a step begins, all of them at once, each with what to do."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.loopback import free_ports
from migration.adapters import command
from migration.adapters.playbook_outcome import Outcome, judge, unreachable
from migration.adapters.ssh import WarmSsh
from migration.errors import StepFailed
from migration.movers import programs
from migration.store import Pinned
from migration.wiring import Workspace
from tests.support.examples import EXAMPLE, catalogue, contracts, example_plan, inventory


def inventory_file(folder: Path) -> Path:
    hosts = {
        name: {"ansible_host": "127.0.0.1", "ansible_port": free_ports(1)[0], "ansible_user": "operator"}
        for name in ("app1", "db1", "edge1", "files1")
    }
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {"children": {"source": {"hosts": hosts}}}}))
    return path


def test_every_host_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    refused = WarmSsh(inventory_file(tmp_path)).refusals(["app1", "db1"])
    assert set(refused) == {"app1", "db1"}
    assert {failure.code for failure in refused.values()} == {"host-unreachable"}
    assert "refused" in refused["db1"].why


def test_a_host_that_the_inventory_does_not_have_is_named_too(tmp_path: Path) -> None:
    (failure,) = WarmSsh(inventory_file(tmp_path)).refusals(["db9"]).values()
    assert failure.code == "host-not-in-inventory"


def test_they_are_blockers_of_the_systems_that_live_there(tmp_path: Path) -> None:
    workspace = Workspace(EXAMPLE, inventory_file(tmp_path), tmp_path / "none", tmp_path / "state", None)
    pinned = Pinned(example_plan("portal"), catalogue(), inventory(), contracts())
    found = workspace.reach_findings(pinned, ["portal"])
    assert [(finding.severity, finding.where) for finding in found] == [
        ("blocker", host) for host in ("app1", "db1", "edge1", "files1")
    ]
    without = dataclasses.replace(workspace, inventory_file=tmp_path / "gone.yml")
    assert without.reach_findings(pinned, ["portal"]) == []


@pytest.mark.parametrize(
    "said", ["No route to host", "Permission denied (publickey).", "Host key verification failed."]
)
def test_a_survey_is_told_to_survey_again_and_a_step_to_run_again(said: str) -> None:
    assert unreachable("survey", {"db1": said}).next.endswith("then: dcshift survey")
    assert unreachable("prepare", {"db1": said}).next.endswith("then: dcshift run")


def test_a_failed_survey_does_not_speak_of_steps() -> None:
    with pytest.raises(StepFailed) as failed:
        judge("survey", ["db1"], Outcome(failures=[("db1", "Read", "no")]), 10)
    assert failed.value.next == "mend the cause, then: dcshift survey"
    assert "only read" in failed.value.state


def test_what_we_start_has_a_session_of_its_own_so_that_ctrl_c_reaches_us_alone() -> None:
    ask = [sys.executable, "-c", "import os; print(os.getsid(0))"]
    ours = os.getsid(0)
    assert int(command.run(ask).stdout) != ours
    assert int(programs.run(ask, dict(os.environ), doing="asking", timeout_seconds=120)) != ours
    with command.start(ask, env=dict(os.environ), stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) != ours
