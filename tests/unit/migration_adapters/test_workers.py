"""Workers against a pretended source and cluster: never at work on both sides, and what a half-done change leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.background import BackgroundMove
from migration.adapters.jobs import CronMove
from migration.adapters.workers import ServiceWorkers
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import ProbeState, Severity, Side
from migration.ports import PlaybookResult, SetState
from tests.support import examples

Change = Callable[["World"], None]


@dataclass
class World:
    """A service that systemd keeps and a StatefulSet whose controller takes its time; either can refuse to follow."""

    active: bool = True
    enabled: bool = True
    asked: int = 0
    pods: int = 0
    ready: int = 0
    time: float = examples.NOW
    stuck: bool = False
    deaf: bool = False
    away: bool = False
    played: list[str] = field(default_factory=list)

    def run(self, playbook: str, *, limit: Sequence[str], variables: Mapping[str, Any], **_: Any) -> PlaybookResult:
        self.played.append(playbook)
        if self.away:
            raise StepFailed("host-unreachable", what="app1 cannot be reached", why="no route", state="", next="")
        assert variables["service_name"] == "portal-notices.service"
        if playbook in ("quiesce", "rollback") and not self.deaf:
            self.active = self.enabled = playbook == "rollback"
        said = {"changed": True, "active": self.active, "enabled": self.enabled, "pid": 77 if self.active else 0}
        return PlaybookResult(dict.fromkeys(limit, said), 0.1)

    def stateful_set(self, namespace: str, name: str) -> SetState:
        assert (namespace, name) == ("httt-portal-app", "portal-worker-notices")
        return SetState(self.asked, self.ready, self.pods)

    def scale_stateful_set(self, namespace: str, name: str, wanted: int) -> None:
        self.asked = wanted

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if not self.stuck:  # a pod comes before it is ready, and goes after it was
            self.pods, self.ready = self.asked, min(self.pods, self.asked)


@pytest.fixture
def context(tmp_path: Path) -> SystemContext:
    inventory = examples.inventory()
    portal, contract = examples.catalogue().system("portal"), examples.contracts()["portal"]
    source = portal.source.model_copy(update={"jobs": {}})
    return SystemContext(
        system=portal.model_copy(update={"jobs": [], "source": source}),
        contract=contract.model_copy(update={"jobs": []}),
        facts=inventory.systems["portal"],
        hosts=inventory.hosts,
        token=lambda: 7,
        state_folder=tmp_path,
    )


def workers(context: SystemContext, world: World) -> ServiceWorkers:
    return ServiceWorkers(context, playbooks=world, cluster=world, clock=world)  # type: ignore[arg-type]


def both(context: SystemContext, world: World) -> BackgroundMove:
    jobs = CronMove(context, playbooks=world, cluster=world, clock=world)  # type: ignore[arg-type]
    return BackgroundMove(jobs, workers(context, world))


def test_they_rest_at_the_source_and_work_on_the_target_and_go_back(context: SystemContext) -> None:
    world = World()
    move = both(context, world)
    assert [proof.passed for proof in move.prove(serving=Side.SOURCE)] == [True, True]
    assert move.source_disarmed().state is ProbeState.NOT_DONE
    move.disarm_source()
    assert move.source_disarmed().state is ProbeState.DONE
    assert [proof.passed for proof in move.prove(serving=None)] == [True, True]
    assert move.target_armed().state is ProbeState.NOT_DONE
    assert move.arm_target()["workers"] == {"notices": {"replicas": 1}}
    assert (move.target_armed().state, world.ready) == (ProbeState.DONE, 1)
    assert [proof.passed for proof in move.prove(serving=Side.TARGET)] == [True, True]
    move.disarm_target()
    assert (world.pods, move.target_armed().state) == (0, ProbeState.NOT_DONE)
    move.rearm_source()
    assert [proof.passed for proof in move.prove(serving=Side.SOURCE)] == [True, True]


@pytest.mark.parametrize(
    ("change", "serving", "difference"),
    [
        ({"asked": 1, "pods": 1, "ready": 1}, Side.SOURCE, "notices has 1 pods on the target"),
        ({"active": False}, Side.SOURCE, "notices is not at work on the source"),
        (
            {"asked": 1, "pods": 1, "ready": 1},
            Side.TARGET,
            "notices is at work on the source, or started with its host",
        ),
        (
            {"active": False, "asked": 1, "pods": 1, "ready": 1},
            Side.TARGET,
            "notices is at work on the source, or started",
        ),
        ({"active": False, "enabled": False}, Side.TARGET, "notices has 0 of 1 pods at work on the target"),
        ({"active": False, "enabled": False, "asked": 1, "pods": 1}, Side.TARGET, "notices has 0 of 1 pods at work"),
        ({"active": False, "enabled": False, "pods": 1}, None, "notices has 1 pods on the target"),
        ({}, None, "notices is at work on the source"),
        ({"away": True}, None, "it could not be read: app1 cannot be reached"),
    ],
)
def test_a_worker_on_the_wrong_side_is_named(
    context: SystemContext, change: dict[str, Any], serving: Side | None, difference: str
) -> None:
    (proof,) = workers(context, World(**change)).prove(serving=serving)
    assert (proof.name, proof.passed) == ("workers", False)
    assert proof.differences[0].startswith(difference)


def test_what_stays_at_work_at_the_source_is_no_rest(context: SystemContext) -> None:
    world = World(deaf=True)
    move = workers(context, world)
    move.disarm_source()
    assert move.source_disarmed().state is ProbeState.NOT_DONE
    world.away = True
    assert move.source_disarmed().state is ProbeState.UNKNOWN


def test_a_service_that_does_not_start_again_is_told(context: SystemContext) -> None:
    with pytest.raises(StepFailed) as failed:
        workers(context, World(active=False, enabled=False, deaf=True)).rearm_source()
    assert failed.value.code == "worker-not-restarted"


@pytest.mark.parametrize("verb", ["arm_target", "disarm_target"])
def test_pods_that_do_not_come_or_go_end_the_wait(context: SystemContext, verb: str) -> None:
    world = World(stuck=True, pods=1 if verb == "disarm_target" else 0)
    move = workers(context, world)
    with pytest.raises(StepFailed) as failed:
        getattr(move, verb)()
    assert failed.value.code == "worker-not-scaled"
    assert world.time - examples.NOW < 300
    world.stuck = False
    getattr(move, verb)()  # and once more, when it works


def test_what_the_target_lacks_or_counts_otherwise_forbids_the_move(context: SystemContext) -> None:
    def codes(changed: SystemContext) -> list[tuple[str, Severity]]:
        return [(finding.code, finding.severity) for finding in workers(changed, World()).check()]

    (there,) = context.contract.workers
    assert codes(context) == []
    for others in ([], [there.model_copy(update={"replicas": 2})]):
        contract = context.contract.model_copy(update={"workers": others})
        assert codes(dataclasses.replace(context, contract=contract)) == [("worker-differs", Severity.BLOCKER)]
    resting = {"notices": context.facts.workers["notices"].model_copy(update={"active": False})}
    for seen in ({}, resting):
        facts = context.facts.model_copy(update={"workers": seen})
        assert codes(dataclasses.replace(context, facts=facts)) == [("source-worker-inactive", Severity.BLOCKER)]
