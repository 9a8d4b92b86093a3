"""Traffic, jobs and web moves against a pretended edge, cluster and playbooks: what they refuse, what they prove."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from catalogue.schedule import slots
from migration.adapters.jobs import CronMove
from migration.adapters.ssh import ssh_words
from migration.adapters.survey import AnsibleSurveyor
from migration.adapters.traffic import GateMove
from migration.adapters.web import PublicWebMove
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import ProbeState, Severity, Side
from migration.ports import CronJobState, PlaybookResult
from migration.verification.pages import first_difference, visible_text
from tests.support import examples


class Edge:
    """Answers `dcshift-gate` for a site in the given state; counts what it was asked."""

    def __init__(self, state: str | None = "source", **changed: Any) -> None:
        self.state, self.changed, self.asked = state, changed, list[list[str]]()

    def run(self, host: str, argv: Sequence[str], *, input: str | None = None, timeout_seconds: float = 10.0) -> str:
        self.asked.append(list(argv))
        if self.state is None:
            return "absent\n"
        if "--turn" in argv:
            verb, _, *rest = argv[argv.index("--turn") + 2 :]
            self.state = {"hold": "hold", "release": "target"}.get(verb) or rest[0]
        ways = dict.fromkeys(("source", "target", "refused"), 0)
        site = {
            **{"state": self.state, "decided": self.state, "waiting": 0, "waited": 3, "longest_wait_seconds": 1.5},
            **{"under_way": dict(ways), "requests_since_switch": dict(ways), "hosts": [], "since": None},
        }
        whole = {"sites": {"portal": site}, "direct_connections": 0, "redirected": True, "hold_seconds_max": 30}
        for path, value in self.changed.items():
            target: Any = site if path in site else whole
            target[path] = {**target[path], **value} if isinstance(value, dict) else value
        return json.dumps({**whole, "haproxy": "2.2.9"})


class Books:
    """Answers playbooks with one result for each host."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.result, self.asked = dict(result), list[tuple[str, Mapping[str, Any]]]()

    def run(self, playbook: str, *, limit: Sequence[str], variables: Mapping[str, Any], **_: Any) -> PlaybookResult:
        self.asked.append((playbook, variables))
        return PlaybookResult(dict.fromkeys(limit, self.result), 0.1)


class Clusters:
    """Has CronJobs that are suspended or not, and starts what their controller would start when one is armed."""

    def __init__(self, *, suspended: bool, last_slot: float | None = None, schedule: str = "* * * * *") -> None:
        self.state = CronJobState(schedule, "Asia/Ho_Chi_Minh", suspended, 60, last_slot)

    def cronjob(self, namespace: str, name: str) -> CronJobState:
        return self.state

    def set_cronjob_suspended(self, namespace: str, name: str, suspended: bool) -> None:
        self.state = dataclasses.replace(self.state, suspended=suspended)

    def set_cronjob_last_slot(self, namespace: str, name: str, moment: float) -> None:
        self.state = dataclasses.replace(self.state, last_slot=moment)

    def would_start(self, now: float) -> float | None:
        """Return the slot that the controller takes for missed; see mostRecentScheduleTime in Kubernetes' utils.go."""
        earliest = max(self.state.last_slot or 0.0, now - (self.state.starting_deadline_seconds or 1e9))
        missed = list(slots(self.state.schedule, self.state.time_zone, earliest, now))
        return missed[-1] if missed else None


class Still:
    """A clock that stands."""

    def __init__(self, now: float = examples.NOW) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here may wait")


@pytest.fixture
def context(tmp_path: Path) -> SystemContext:
    inventory, portal = examples.inventory(), examples.catalogue().system("portal")
    facts, job, contract = inventory.systems["portal"], portal.jobs[0], examples.contracts()["portal"]
    web = contract.web.model_copy(update={"gateway_address": "127.0.0.1", "gateway_port": 9})
    return SystemContext(
        system=portal.model_copy(update={"jobs": (job,)}),
        contract=contract.model_copy(
            update={"web": web, "jobs": tuple(each for each in contract.jobs if each.name == job.name)}
        ),
        facts=facts.model_copy(update={"jobs": {job.name: facts.jobs[job.name]}}),
        hosts={name: host.model_copy(update={"address": "127.0.0.1"}) for name, host in inventory.hosts.items()},
        token=lambda: 7,
        state_folder=tmp_path,
    )


def gate(context: SystemContext, edge: Edge) -> GateMove:
    return GateMove(context, playbooks=Books({}), remote=edge, clock=Still())


def jobs(context: SystemContext, *, armed: bool, suspended: bool, running: int = 0) -> CronMove:
    disarmed_at = None if armed else examples.NOW
    job = {"armed": armed, "running": running, "line": "* * * * * x", "disarmed_at": disarmed_at}
    said = {"jobs": {"reconcile-payments": job}}
    return CronMove(context, playbooks=Books(said), cluster=Clusters(suspended=suspended), clock=Still())  # type: ignore[arg-type]


def test_holding_and_releasing_is_one_command_each_under_the_turn(context: SystemContext) -> None:
    edge = Edge()
    move = gate(context, edge)
    move.hold()
    assert move.held().state is ProbeState.DONE
    facts = move.release_to_target()
    assert (facts["requests_waited"], facts["longest_wait_seconds"]) == (3, 1.5)
    changes = [words for words in edge.asked if "--turn" in words]
    assert [words[3:6] for words in changes] == [["--turn", "portal:7", "hold"], ["--turn", "portal:7", "release"]]


@pytest.mark.parametrize("changed", [{"under_way": {"source": 1}}, {"direct_connections": 2}, {"decided": "source"}])
def test_a_hold_that_leaves_something_at_the_source_is_no_hold(context: SystemContext, changed: Any) -> None:
    with pytest.raises(StepFailed) as failed:
        gate(context, Edge(**changed)).hold()
    assert failed.value.code == "site-not-held"


def test_a_release_that_the_gate_refuses_says_why(context: SystemContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        why = "dcshift-gate: portal is not held but on source"
        raise StepFailed("remote-command-failed", what="it exited with 1", why=why, state="", next="")

    edge = Edge("source")
    monkeypatch.setattr(edge, "run", refuse)
    with pytest.raises(StepFailed) as refused:
        gate(context, edge).release_to_target()
    assert (refused.value.code, refused.value.what) == ("site-not-released", "portal was not released")
    assert "is not held but on source" in refused.value.why


def test_a_site_on_its_target_is_never_given_back_by_an_undo(context: SystemContext) -> None:
    with pytest.raises(StepFailed) as refused:
        gate(context, Edge("target")).release_to_source()
    assert refused.value.code == "already-released"


def test_where_there_is_no_gate_nothing_is_held_and_undoing_is_nothing(context: SystemContext) -> None:
    edge = Edge(None)
    gate(context, edge).release_to_source()
    assert gate(context, edge).held().state is ProbeState.NOT_DONE
    assert gate(context, edge).gate_installed().state is ProbeState.NOT_DONE
    assert not [words for words in edge.asked if "--turn" in words]


def test_a_request_to_the_other_side_fails_the_proof_and_is_counted(context: SystemContext) -> None:
    proof = gate(context, Edge("target", requests_since_switch={"source": 2})).prove(serving=Side.TARGET)[0]
    assert (proof.name, proof.passed) == ("traffic", False)
    assert "2 requests went to the source since the switch" in proof.differences


@pytest.mark.parametrize(
    ("armed", "suspended", "serving", "difference"),
    [
        (True, False, Side.SOURCE, "reconcile-payments is armed on the target"),
        (True, False, Side.TARGET, "reconcile-payments is armed on the source"),
        (False, True, Side.TARGET, "reconcile-payments is not armed on the target"),
        (True, True, None, "reconcile-payments is armed on the source"),
    ],
)
def test_a_job_on_the_wrong_side_is_named(
    context: SystemContext, armed: bool, suspended: bool, serving: Side | None, difference: str
) -> None:
    proof = jobs(context, armed=armed, suspended=suspended).prove(serving=serving)[0]
    assert (proof.passed, proof.differences) == (False, (difference,))


@pytest.mark.parametrize(
    ("armed", "suspended", "serving"), [(True, True, Side.SOURCE), (False, False, Side.TARGET), (False, True, None)]
)
def test_jobs_on_exactly_the_serving_side_pass(
    context: SystemContext, armed: bool, suspended: bool, serving: Side | None
) -> None:
    assert jobs(context, armed=armed, suspended=suspended).prove(serving=serving)[0].passed


def test_a_run_that_is_alive_keeps_the_source_from_being_disarmed(context: SystemContext) -> None:
    assert jobs(context, armed=False, suspended=True, running=1).source_disarmed().state is ProbeState.NOT_DONE


MINUTE = 60.0


def cut(context: SystemContext, disarmed_at: float, armed_at: float, schedule: str) -> tuple[Any, float | None]:
    """Disarm the source and arm the target; return the facts and the slot that the target's controller starts."""
    target = Clusters(suspended=True, schedule=schedule)
    source = {"armed": False, "running": 0, "line": "x", "disarmed_at": int(disarmed_at)}
    books = Books({"jobs": {"reconcile-payments": source}})
    move = CronMove(context, playbooks=books, cluster=target, clock=Still(armed_at))  # type: ignore[arg-type]
    assert move.source_disarmed().state is ProbeState.NOT_DONE, "a crash before the target was told must not pass"
    move.disarm_source()
    assert move.source_disarmed().state is ProbeState.DONE
    facts: Any = move.arm_target()["reconcile-payments"]
    said = move.prove(serving=Side.TARGET)[0].sentence
    assert ("fell between both sides" in said) is bool(facts["not_run"]), "people are told, not only the journal"
    return facts, target.would_start(armed_at)


def test_a_slot_that_ran_at_the_source_is_not_run_again_at_the_target(context: SystemContext) -> None:
    # Run at the full minute, disarmed 10 s later, armed 20 s after that: within the deadline of the slot that ran.
    facts, started = cut(context, examples.NOW + 10, examples.NOW + 30, "* * * * *")
    assert (facts["started_late"], facts["not_run"], started) == ([], [], None)


def test_the_last_slot_of_the_gap_is_run_late_and_every_other_is_named(context: SystemContext) -> None:
    facts, started = cut(context, examples.NOW + 10, examples.NOW + 3 * MINUTE + 30, "* * * * *")
    assert started == examples.NOW + 3 * MINUTE
    assert (facts["started_late"], facts["not_run"]) == (
        ["2026-11-24T10:03:00Z"],
        ["2026-11-24T10:01:00Z", "2026-11-24T10:02:00Z"],
    )


def test_a_slot_whose_deadline_is_over_is_named_as_not_run(context: SystemContext) -> None:
    # 17:02 in the target's zone.
    facts, started = cut(context, examples.NOW + 10, examples.NOW + 4 * MINUTE, "2 17 * * *")
    assert (facts["started_late"], facts["not_run"], started) == ([], ["2026-11-24T10:02:00Z"], None)


def test_what_the_target_ran_itself_is_not_run_again_when_a_disarming_is_repeated(context: SystemContext) -> None:
    move = jobs(context, armed=False, suspended=True)
    move._cluster.set_cronjob_last_slot("", "", examples.NOW + MINUTE)
    move.disarm_source()
    assert move._cluster.cronjob("", "").last_slot == examples.NOW + MINUTE


def test_a_release_that_nobody_wrote_down_was_compared_with_nothing_and_that_is_said(context: SystemContext) -> None:
    def told(release: str | None) -> list[tuple[str, str]]:
        web = context.system.web.model_copy(update={"release": release})
        asked = dataclasses.replace(context, system=context.system.model_copy(update={"web": web}))
        move = PublicWebMove(asked, playbooks=Books({}), cluster=Clusters(suspended=True), remote=Edge(), clock=Still())  # type: ignore[arg-type]
        return [(found.code, found.severity) for found in move.check()]

    assert told(context.contract.web.release) == []
    assert told("0.9") == [("release-differs", Severity.BLOCKER)]
    assert told(None) == [("release-unsaid", Severity.WARNING)]


def test_a_page_that_was_not_captured_fails_the_proof(context: SystemContext) -> None:
    move = PublicWebMove(context, playbooks=Books({}), cluster=Clusters(suspended=True), remote=Edge(), clock=Still())  # type: ignore[arg-type]
    proof = move.prove_pages({"pages": {}})[0]
    assert not proof.passed
    assert "pages were captured from the source" in proof.differences[0]


def test_a_page_is_its_words_and_the_first_difference_is_shown() -> None:
    page = "<html><style>x</style><body>Hồ  sơ<script>a</script>\n<input value='csrf'><b>đã nộp</b> {}</body>"
    assert visible_text(page.format(3)) == "Hồ sơ đã nộp 3"
    shown = first_difference(visible_text(page.format(3)), visible_text(page.format(4)))
    assert shown == "from word 5 on: source says '3', target says '4'"


def test_a_survey_that_says_something_unknown_is_refused() -> None:
    with pytest.raises(StepFailed) as refused:
        AnsibleSurveyor(Books({"host": {"name": "db1", "surprise": 1}})).survey(examples.catalogue())
    assert refused.value.code == "survey-not-understood"


def test_ssh_is_strict_and_asks_nobody() -> None:
    words = ssh_words("db1", {"ansible_host": "198.51.100.11", "ansible_user": "operator"}, Path("/c"))
    assert words[-1] == "operator@198.51.100.11"
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes"} <= set(words)
    other = ssh_words("db1", {"ansible_host": "198.51.100.11", "ansible_ssh_private_key_file": "/k"}, Path("/c"))
    assert words[2] != other[2], "a connection opened with another key would answer"
