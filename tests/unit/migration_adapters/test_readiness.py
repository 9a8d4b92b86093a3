"""A target that is not what its contract calls ready is not written to; what cannot be asked counts as not ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import pytest

from catalogue.probes import Condition, Page, question
from catalogue.target import Readiness, TargetContract, written_hash
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.readiness import TargetReadiness
from migration.errors import StepFailed
from migration.model.words import Finding, Severity, Stage
from migration.store import Pinned
from migration.wiring import Workspace
from tests.support.citizens_door import ADDRESS, door
from tests.support.examples import EXAMPLE, catalogue, contracts, example_plan, inventory
from tests.support.workspace import FakeWorkspace, Terminal

DATABASE = Condition("Ready", "clusters", "postgresql.cnpg.io", "httt-portal-data", "portal-db")
ROUTE = Condition("Accepted", "httproutes", "gateway.networking.k8s.io", "httt-portal-app", "portal-web")
HOST = "dichvucong.khanhhoa.example"
TRUE = {"type": "Ready", "status": "True"}
Document = dict[str, Any]


class Answers:
    """A cluster that has these objects and no other."""

    def __init__(self, **found: Document) -> None:
        self._found = found

    def ask(self, _ask: Callable[[Any], Any], what: str) -> Any:
        for resource, document in self._found.items():
            if what.startswith(f"{resource}."):
                return {"metadata": {"generation": 2}, **document}
        raise StepFailed("target-object-missing", what=what, why="not there", state="as it was", next="pulumi up")


def contract(*readiness: Readiness, **web: Any) -> TargetContract:
    made = contracts()["portal"]
    return made.model_copy(update={"readiness": list(readiness), "web": made.web.model_copy(update=web)})


def told(asked: TargetContract, ca_file: Path | None = None, **found: Document) -> list[tuple[str, str, str]]:
    cluster = cast("KubernetesCluster", Answers(**found))
    findings = TargetReadiness(asked, cluster, ca_file).findings()
    assert all(each.severity is Severity.BLOCKER and each.next for each in findings)
    return [(each.code, each.where, each.what) for each in findings]


def of_cluster(*conditions: Document) -> list[tuple[str, str, str]]:
    asked = contract(Readiness(name="database", probe=str(DATABASE), expect="True"))
    return told(asked, clusters={"status": {"conditions": list(conditions)}})


@pytest.mark.parametrize("asked", [DATABASE, ROUTE, Page(HOST, "/healthz")])
def test_a_question_is_read_as_it_was_written(asked: Condition | Page) -> None:
    assert question(str(asked)) == asked


def test_what_is_as_expected_is_no_finding() -> None:
    assert of_cluster({"type": "Other", "status": "False"}, TRUE) == []
    assert of_cluster({**TRUE, "observedGeneration": 2}) == []


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ([{"type": "Ready", "status": "False"}], "is False, the contract expects True"),
        ([{"type": "Other", "status": "True"}], "is not said, the contract expects True"),
        ([{**TRUE, "observedGeneration": 1}], "is True of its generation 1, now is 2, the contract"),
    ],
    ids=["no", "nothing", "of another generation"],
)
def test_any_other_answer_forbids_to_begin_and_says_what_was_asked(conditions: list[Document], said: str) -> None:
    ((code, where, what),) = of_cluster(*conditions)
    assert (code, where) == ("target-not-ready", "portal/database")
    assert f"condition Ready of clusters.postgresql.cnpg.io/httt-portal-data/portal-db {said}" in what


def test_a_route_that_one_of_two_doors_refuses_is_not_accepted() -> None:
    asked = contract(Readiness(name="route", probe=str(ROUTE), expect="True"))
    parents = [{"conditions": [{"type": "Accepted", "status": status}]} for status in ("True", "False")]
    assert told(asked, httproutes={"status": {"parents": parents[:1]}}) == []
    for order in (parents, parents[::-1]):
        ((code, _, _),) = told(asked, httproutes={"status": {"parents": order}})
        assert code == "target-not-ready"


def test_what_cannot_be_asked_or_is_not_known_forbids_to_begin() -> None:
    asked = contract(
        Readiness(name="database", probe=str(DATABASE), expect="True"),
        Readiness(name="mail", probe="SMTP mail.example", expect="220"),
    )
    assert [(code, where) for code, where, _ in told(asked)] == [
        ("target-object-missing", "portal/database"),
        ("readiness-unknown", "portal/mail"),
    ]


def test_a_page_is_asked_at_the_targets_own_door(tmp_path: Path) -> None:
    """By its public name it would be the source's."""
    status = 200
    asked = contract(Readiness(name="web", probe=str(Page(HOST, "/healthz")), expect="200"), gateway_address=ADDRESS)
    with door(tmp_path, HOST, lambda: status) as ca_file:
        assert told(asked, ca_file) == []
        status = 503
        ((code, where, what),) = told(asked, ca_file)
        assert (code, where) == ("target-not-ready", "portal/web")
        assert f"GET https://{HOST}/healthz is 503, the contract expects 200" in what
        ((code, _, what),) = told(asked)
        assert (code, f"gateway at {ADDRESS}:443 is not trusted: unable to get local issuer" in what) == (
            "target-not-trusted",
            True,
        )
        elsewhere = contract(
            Readiness(name="web", probe=str(Page("other.example", "/")), expect="200"), gateway_address=ADDRESS
        )
        ((code, _, what),) = told(elsewhere, ca_file)
        assert (code, "not valid for 'other.example'" in what) == ("target-not-trusted", True)
    ((code, _, what),) = told(asked, ca_file)
    assert (code, f"does not answer for {HOST}" in what) == ("target-gateway-silent", True)


def _planned() -> Terminal:
    """A plan for targets whose databases are asked, in front of a cluster that nobody can reach."""
    terminal = Terminal()
    for name, made in contracts().items():
        asked = Readiness(name="database", probe=str(DATABASE), expect="True")
        changed = made.model_copy(update={"readiness": [asked]})
        terminal.workspace.targets[name] = changed.model_copy(update={"hash": written_hash(changed)})
    terminal.type("survey")
    terminal.type("plan --system portal")
    return terminal


def test_a_run_is_refused_before_its_first_write_in_four_thoughts() -> None:
    terminal = _planned()
    status, _, err = terminal.type("run --until replicate")
    assert status == 3
    for thought in ("error[blocked]: plan ", "\n  why:   [kubeconfig-unusable] portal/database: ",
                    "\n  state: this command changed nothing; ", "\n  next:  set KUBECONFIG "):  # fmt: skip
        assert thought in err
    assert terminal.world.calls == []
    status, out, _ = terminal.type("check")
    assert (status, "[kubeconfig-unusable] portal/database" in out) == (3, True)


@dataclass(frozen=True)
class Asked(FakeWorkspace):
    """One that keeps whose targets were asked; all of them are ready."""

    asked: list[str] = field(default_factory=list)

    def readiness_findings(self, pinned: Pinned, systems: Sequence[str]) -> list[Finding]:
        self.asked.extend(systems)
        return []


def test_only_the_targets_of_systems_that_have_not_begun_are_asked() -> None:
    """One that has begun waits for its target by the rules of its steps: a resumed night must not stop for a pause."""
    terminal = Terminal()
    asked = Asked(**{each.name: getattr(terminal.workspace, each.name) for each in fields(FakeWorkspace)})
    terminal.workspace = asked
    for line in ("survey", "plan", "run --wave 1 --until prepare"):
        assert terminal.type(line)[0] == 0
    assert asked.asked == ["portal"]
    asked.asked.clear()
    assert terminal.type("run --until replicate")[0] == 0
    assert asked.asked == ["feedback"]


class Hosts:
    """Every host of the source, each reached."""

    def refusals(self, hosts: Sequence[str]) -> dict[str, Any]:
        return {}

    def warm(self, hosts: Sequence[str]) -> None:
        pass


def test_a_system_of_a_later_wave_is_asked_when_its_own_turn_comes_and_before_users_are_held(tmp_path: Path) -> None:
    asked = contract(Readiness(name="database", probe=str(DATABASE), expect="True"))
    pinned = Pinned(example_plan("portal"), catalogue(), inventory(), {"portal": asked})
    workspace = Workspace(EXAMPLE, tmp_path / "none", tmp_path / "none", tmp_path, None)
    workspace.__dict__["remote"] = Hosts()
    moves = Terminal().world.moves("portal", lambda: 0)
    stages = set()
    for step in pinned.plan.steps:
        if step.stage in (Stage.PREPARE, Stage.REPLICATE, Stage.QUIESCE) and not step.holds_users:
            found = [
                each.code for each in workspace.step_findings(pinned)(step, moves) if each.where == "portal/database"
            ]
            assert found == ([] if step.stage is Stage.REPLICATE else ["kubeconfig-unusable"]), step.id
            stages.add(step.stage)
    assert len(stages) == 3
