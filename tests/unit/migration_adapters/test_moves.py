"""Traffic, jobs and web moves against a pretended edge, cluster and playbooks: what they refuse, what they prove."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.jobs import CronMove
from migration.adapters.ssh import ssh_words
from migration.adapters.survey import AnsibleSurveyor
from migration.adapters.traffic import GateMove
from migration.adapters.web import PublicWebMove
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import ProbeState, Side
from migration.ports import PlaybookResult
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
    """Has CronJobs that are suspended or not."""

    def __init__(self, *, suspended: bool) -> None:
        self.suspended = suspended

    def cronjob_suspended(self, namespace: str, name: str) -> bool:
        return self.suspended

    def set_cronjob_suspended(self, namespace: str, name: str, suspended: bool) -> None:
        self.suspended = suspended


class Still:
    """A clock that stands."""

    def now(self) -> float:
        return examples.NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here may wait")


@pytest.fixture
def context(tmp_path: Path) -> SystemContext:
    inventory = examples.inventory()
    return SystemContext(
        system=examples.catalogue().system("portal"),
        contract=examples.contracts()["portal"],
        facts=inventory.systems["portal"],
        hosts=inventory.hosts,
        token=lambda: 7,
        state_folder=tmp_path,
    )


def gate(context: SystemContext, edge: Edge) -> GateMove:
    return GateMove(context, playbooks=Books({}), remote=edge, clock=Still())


def jobs(context: SystemContext, *, armed: bool, suspended: bool, running: int = 0) -> CronMove:
    said = {"jobs": {"reconcile-payments": {"armed": armed, "running": running, "line": "* * * * * x"}}}
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
