"""One deployment on a stack that records: what is refused, what is put back, what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from infra.deploy.expectations import Change, changes, unexpected
from infra.deploy.release import Wanted, deploy, judge
from infra.errors import InfraError

NAMESPACE = "httt-portal-app"
DIGEST = f"sha256:{'0' * 64}"


def step(op: str, kind: str, namespace: str = NAMESPACE, name: str = "portal-web") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    state = {"custom": True, "type": f"kubernetes:apps/v1:{kind}", "inputs": {"kind": kind, "metadata": metadata}}
    return {"op": op, "urn": f"urn:pulumi:x::{name}", ("oldState" if op == "delete" else "newState"): state}


ORDINARY = [step("update", "Deployment"), step("update", "CronJob"), step("update", "ConfigMap"), step("create", "Job")]
ACCOUNT = step("create", "ServiceAccount", name="portal-schema")


class Killed(BaseException):
    """The process is gone: nobody puts anything back."""


@dataclass
class FakeStack:
    steps: list[dict[str, Any]] = field(default_factory=lambda: list(ORDINARY))
    broken: frozenset[str] = frozenset()
    values: dict[str, str] = field(default_factory=lambda: {"release": "1", "serves": "target"})
    deployed: list[str] = field(default_factory=list)
    name: str = "portal"
    killed_at: str = ""
    ended_by: BaseException = field(default_factory=Killed)

    def settings(self) -> dict[str, str]:
        return dict(self.values)

    @contextmanager
    def trying(self, values: Mapping[str, str | None]) -> Iterator[FakeStack]:
        wanted = {**self.values, **values}
        yield replace(self, values={key: value for key, value in wanted.items() if value is not None})

    def keep(self, tried: FakeStack) -> None:
        self._die_at("keep")
        self.values = dict(tried.values)

    def preview(self) -> dict[str, Any]:
        self._die_at("preview")
        return {"steps": self.steps}

    def up(self, say: Callable[[str], None], hopeless: Callable[[], str | None] = lambda: None) -> None:
        self.deployed.append(self.values["release"])
        self._die_at(f"up {len(self.deployed)}")
        if self.values["release"] in self.broken:
            raise InfraError("pulumi-failed", what="up failed", why="no image", state="-", next="-")

    def _die_at(self, place: str) -> None:
        if place == self.killed_at:
            raise self.ended_by

    def outputs(self) -> dict[str, Any]:
        return {"contract": {"hash": "a" * 64}}


def run(stack: FakeStack, unwell: Callable[[], list[str]] = list, published: Callable[[], str] | None = None) -> Any:
    live = published or (lambda: stack.deployed[-1])
    return deploy(
        stack, NAMESPACE, Wanted("2"), smoke=unwell, live_release=live, hopeless=lambda: None, say=lambda text: None
    )


def test_an_ordinary_release_is_deployed_and_its_contract_is_returned() -> None:
    stack = FakeStack()
    done = run(stack)
    assert (stack.deployed, stack.values["release"]) == (["2"], "2")
    assert [each.kind for each in done.changes] == ["Deployment", "CronJob", "ConfigMap", "Job"]
    assert done.contract["hash"] == "a" * 64


@pytest.mark.parametrize(
    "odd",
    [
        step("delete", "Deployment"),
        step("replace", "Deployment"),
        step("update", "Deployment", namespace="httt-feedback-app"),
        step("update", "HTTPRoute"),
        step("update", "Cluster", namespace="httt-portal-data"),
        step("create", "RoleBinding"),
        step("delete", "ServiceAccount"),
        step("update", "NetworkPolicy"),
    ],
    ids=lambda each: f"{each['op']} {(each.get('newState') or each['oldState'])['inputs']['kind']}",
)
def test_more_than_a_release_may_change_is_refused_and_nothing_is_applied(odd: dict[str, Any]) -> None:
    stack = FakeStack(steps=[*ORDINARY, odd])
    before = dict(stack.values)
    with pytest.raises(InfraError) as refused:
        run(stack)
    kind = (odd.get("newState") or odd["oldState"])["inputs"]["kind"]
    assert refused.value.code == "deployment-unexpected"
    assert refused.value.why.startswith(f"{odd['op']} {kind} ")
    assert (stack.deployed, stack.values) == ([], before)


def test_a_release_that_does_not_come_up_is_put_back() -> None:
    stack = FakeStack(broken=frozenset({"2"}))
    before = dict(stack.values)
    with pytest.raises(InfraError) as back:
        run(stack)
    assert back.value.code == "deployment-rolled-back"
    assert "no image" in back.value.why
    assert (stack.deployed, stack.values) == (["2", "1"], before)


def test_a_release_that_citizens_would_see_fail_is_put_back() -> None:
    stack = FakeStack()

    def smoke() -> list[str]:
        return ["/ answered 500"] if stack.deployed[-1:] == ["2"] else []

    with pytest.raises(InfraError) as back:
        run(stack, smoke)
    assert back.value.code == "deployment-rolled-back"
    assert "/ answered 500" in back.value.why
    assert stack.deployed == ["2", "1"]


def test_a_contract_that_was_not_published_is_a_failure() -> None:
    stack = FakeStack()
    with pytest.raises(InfraError) as back:
        run(stack, published=lambda: "1")
    assert back.value.code == "deployment-rolled-back"
    assert "names release 1" in back.value.why


def test_a_way_back_that_fails_is_said_so() -> None:
    stack = FakeStack(broken=frozenset({"1", "2"}))
    with pytest.raises(InfraError) as stuck:
        run(stack)
    assert stuck.value.code == "deployment-stuck"
    assert stack.values["release"] == "1"


@pytest.mark.parametrize("moment", ["preview", "up 1", "keep"])
def test_whoever_is_killed_leaves_settings_that_name_what_was_proved_to_serve(moment: str) -> None:
    stack = FakeStack(killed_at=moment)
    before = dict(stack.values)
    with pytest.raises(Killed):
        run(stack)
    assert stack.values == before
    again = FakeStack(values=stack.values, broken=frozenset({"3"}))
    with pytest.raises(InfraError) as back:
        deploy(
            again, NAMESPACE, Wanted("3"), smoke=list, live_release=str, hopeless=lambda: None, say=lambda text: None
        )
    assert (back.value.code, again.deployed) == ("deployment-rolled-back", ["3", "1"])


@pytest.mark.parametrize("moment", ["up 1", "keep"])
def test_a_deployment_that_is_stopped_by_hand_is_put_back(moment: str) -> None:
    stack = FakeStack(killed_at=moment, ended_by=KeyboardInterrupt())
    before = dict(stack.values)
    with pytest.raises(InfraError) as back:
        run(stack)
    if moment == "keep":  # what is put back is kept, too, and that is stopped once more here
        assert back.value.code == "deployment-stuck"
    else:
        assert back.value.code == "deployment-rolled-back"
    assert "Ctrl-C" in back.value.why
    assert (stack.deployed, stack.values) == (["2", "1"], before)


def test_a_way_back_that_is_stopped_by_hand_is_said_so() -> None:
    stack = FakeStack(broken=frozenset({"2"}), killed_at="up 2", ended_by=KeyboardInterrupt())
    with pytest.raises(InfraError) as stuck:
        run(stack)
    assert stuck.value.code == "deployment-stuck"
    assert "while the release before was being put back" in stuck.value.why


def test_a_system_that_is_unwell_before_is_not_touched() -> None:
    stack = FakeStack()
    with pytest.raises(InfraError) as refused:
        run(stack, lambda: ["/ answered 503"])
    assert refused.value.code == "system-already-unwell"
    assert stack.deployed == []


def test_judging_alone_leaves_the_settings_as_they_were() -> None:
    stack = FakeStack()
    before = dict(stack.values)
    assert len(judge(stack, NAMESPACE, Wanted("2", "sha256:" + "0" * 64, migrate=True))) == len(ORDINARY)
    assert stack.values == before


def test_the_digest_is_kept_with_its_release_so_that_neither_changes_alone() -> None:
    assert Wanted("2", DIGEST).settings()["image"] == f"2@{DIGEST}"
    assert Wanted("2").settings()["image"] is None


def test_the_way_back_mends_a_digest_that_names_no_release_yet() -> None:
    stack = FakeStack(broken=frozenset({"2"}), values={"release": "1", "image": DIGEST})
    with pytest.raises(InfraError) as back:
        run(stack)
    assert back.value.code == "deployment-rolled-back"
    assert stack.values == {"release": "1", "image": f"1@{DIGEST}"}


def test_components_reads_and_unchanged_objects_are_no_changes() -> None:
    quiet = [
        {"op": "same", "newState": step("same", "Deployment")["newState"]},
        {"op": "update", "newState": {"custom": False, "type": "dcshift:svc:WebService"}},
        {"op": "create", "newState": {"custom": True, "type": "pulumi:providers:kubernetes"}},
    ]
    assert changes({"steps": [*quiet, step("update", "Deployment")]}) == [
        Change("update", "Deployment", NAMESPACE, "portal-web")
    ]
    assert unexpected(changes({"steps": [ACCOUNT]}), NAMESPACE) == []
