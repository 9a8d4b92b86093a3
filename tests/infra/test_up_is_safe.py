"""`python -m infra.up` against what was applied: what would harm is refused before the engine is asked to write."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.errors import InfraError
from infra.up.__main__ import bring_up
from infra.up.engine import Engine
from infra.up.judging import refuse_harm
from infra.up.language import declare
from tests.support.declared import GROUNDS, STACKS, Built, built_once
from tests.support.fake_pulumi import FakePulumi
from tests.support.states import exported


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    """A centre that was applied as it is declared."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return FakePulumi.make(folder, {stack: exported(built_once(stack)) for stack in STACKS})


def up(tmp_path: Path, *stacks: str) -> list[str]:
    said: list[str] = []
    settings = tmp_path / "settings"
    settings.mkdir(exist_ok=True)
    bring_up(stacks, Engine(said.append, tmp_path), settings, declare, cluster=False)
    return said


def changed(built: Built, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the state of a stack of which something else was applied than is declared now."""
    export = exported(built)
    for resource in export["deployment"]["resources"]:
        change(resource)
    return export


def test_what_is_applied_already_is_let_through(tmp_path: Path, pulumi: FakePulumi) -> None:
    said = up(tmp_path, "platform", "data")
    assert [call[call.index("--stack") + 1] for call in pulumi.asked("up")] == ["platform", "data"]
    assert not [line for line in said if "must follow" in line]


def test_a_replacement_of_a_database_is_refused_before_any_stack_is_written(tmp_path: Path, pulumi: FakePulumi) -> None:
    def other_class(resource: dict[str, Any]) -> None:
        if resource["type"].endswith(":Cluster"):
            resource["inputs"]["spec"]["storage"]["storageClass"] = "as-it-was"

    pulumi.before_up({"data": changed(built_once("data"), other_class)})
    with pytest.raises(InfraError) as found:
        up(tmp_path, "platform", "data")
    assert found.value.code == "data-would-be-replaced"
    assert "Cluster httt-portal-data/portal-db spec.storage.storageClass: as-it-was → local-retain" in found.value.why
    assert pulumi.asked("up") == []


def test_a_secret_in_a_state_stops_the_next_run() -> None:
    def planted(resource: dict[str, Any]) -> None:
        if resource["type"].endswith(":ScheduledBackup"):
            resource["outputs"]["spec"]["password"] = "hunter2"

    with pytest.raises(InfraError) as found:
        refuse_harm([built_once("data")], {"data": changed(built_once("data"), planted)})
    assert found.value.code == "secret-in-state"
    assert "outputs.spec.password" in found.value.why
    assert "hunter2" not in str(found.value)


def test_a_stack_is_not_brought_up_alone_on_ground_that_is_not_laid() -> None:
    other = {stack: exported(built_once(stack)) for stack in ("ground.portal", "data")}
    other |= {"platform": exported(built_once("platform", {"edgeNamespace": "another-edge"}))}
    with pytest.raises(InfraError, match="platform would not be what portal stands on") as found:
        refuse_harm([built_once("portal")], other)
    assert found.value.code == "ground-not-laid"
    # Brought up together, the ground comes first.
    refuse_harm([built_once("platform"), built_once("portal")], other)


@pytest.mark.parametrize("stack", ["data", "portal"])
def test_a_new_systems_ground_comes_before_what_would_stand_on_it(stack: str) -> None:
    applied = {each: exported(built_once(each)) for each in ("platform", *GROUNDS, "data")}
    refuse_harm([built_once(stack)], applied)
    only_made = {"version": 3, "deployment": {}}
    for never in (
        {each: export for each, export in applied.items() if each != "ground.portal"},
        {**applied, "ground.portal": only_made},
    ):
        with pytest.raises(InfraError) as found:
            refuse_harm([built_once(stack)], never)
        assert found.value.code == "ground-not-laid"
        assert found.value.why == f"{stack} stands on ground.portal, which was never applied"
        assert found.value.next == f"python -m infra.up ground.portal {stack}"
        refuse_harm([built_once("ground.portal"), built_once(stack)], never)


def test_who_must_follow_a_stack_that_was_brought_up_alone_is_named(tmp_path: Path, pulumi: FakePulumi) -> None:
    pulumi.after_up({"platform": exported(built_once("platform", {"edgeNamespace": "another-edge"}))})
    assert up(tmp_path, "platform")[-1] == (
        "must follow: ground.feedback stands on what platform was before; ground.portal stands on what platform was "
        "before; feedback stands on what platform was before; portal stands on what platform was before. "
        "python -m infra.up feedback ground.feedback ground.portal portal"
    )


def test_a_ground_asks_the_engine_for_its_own_and_for_those_who_stand_on_it(tmp_path: Path, pulumi: FakePulumi) -> None:
    """Of many systems each state costs a call of the engine: one ground is no reason to read them all."""
    pulumi.after_up({"ground.portal": exported(built_once("ground.portal", {"operatorNamespace": "another"}))})
    assert up(tmp_path, "ground.portal")[-1] == (
        "must follow: data stands on what ground.portal was before. python -m infra.up data"
    )
    exported_stacks = [call[call.index("--stack") + 1] for call in pulumi.asked("stack") if call[1] == "export"]
    assert exported_stacks == ["platform", "ground.portal", "data", "portal"]


def test_grounds_that_lie_in_the_platforms_state_are_refused_before_anything_is_written(
    tmp_path: Path, pulumi: FakePulumi
) -> None:
    """The danger: what a stack declares no more is deleted, namespaces of workloads without a lock first."""
    platform, grounds = exported(built_once("platform")), [exported(built_once(each)) for each in GROUNDS]
    for each in grounds:
        platform["deployment"]["resources"] += each["deployment"]["resources"][1:]
    pulumi.before_up({"platform": platform})
    for stacks in (("platform",), ("ground.portal",), STACKS):
        with pytest.raises(
            InfraError, match="the state of stack platform holds the ground of feedback, portal"
        ) as found:
            up(tmp_path, *stacks)
        assert found.value.code == "ground-in-another-stack"
    assert pulumi.asked("up") == []


def test_a_lock_of_an_engine_that_is_gone_is_taken_away_and_the_run_goes_on(tmp_path: Path, pulumi: FakePulumi) -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    pulumi.lock(f"root@{socket.gethostname()} (pid {ended.pid})")
    said: list[str] = []
    Engine(said.append, tmp_path).up("platform", [], {})
    assert pulumi.asked("cancel") == [["cancel", "--yes", "--stack", "platform"]]
    assert len(pulumi.asked("up")) == 2
    assert "  platform: its lock was left by an engine that is gone, and is taken away" in said


@pytest.mark.parametrize(
    "holder",
    [f"root@{socket.gethostname()} (pid {os.getpid()})", "root@elsewhere (pid 4194303)"],
    ids=["here", "elsewhere"],
)
def test_a_lock_of_somebody_who_may_be_at_work_is_left_alone(tmp_path: Path, pulumi: FakePulumi, holder: str) -> None:
    """The danger: with the lock taken away, two engines would write one state."""
    pulumi.lock(holder)
    with pytest.raises(InfraError, match="`pulumi up") as found:
        Engine(print, tmp_path).up("platform", [], {})
    assert "currently locked" in found.value.why
    assert pulumi.asked("cancel") == []
    assert (pulumi.folder / "lock").exists()
