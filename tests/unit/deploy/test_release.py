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


def run(
    stack: FakeStack,
    unwell: Callable[[], list[str]] = list,
    published: Callable[[], str] | None = None,
    *,
    wanted: str = "2",
    refuse: Callable[[Mapping[str, str]], None] = lambda settings: None,
    say: Callable[[str], None] = lambda text: None,
) -> Any:
    live = published or (lambda: stack.deployed[-1])
    return deploy(
        stack, NAMESPACE, Wanted(wanted), smoke=unwell, refuse=refuse, live_release=live, hopeless=lambda: None, say=say
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
        run(again, wanted="3", published=str)
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
    wanted = Wanted("2", "sha256:" + "0" * 64, migrate=True)
    assert len(judge(stack, NAMESPACE, wanted, lambda settings: None, lambda text: None)) == len(ORDINARY)
    assert stack.values == before


def test_the_rules_and_the_cluster_are_asked_of_what_is_tried_before_the_engine_is() -> None:
    stack, asked = FakeStack(killed_at="preview"), list[Mapping[str, str]]()

    def refuse(settings: Mapping[str, str]) -> None:
        asked.append(settings)
        raise InfraError("rules-broken", what="no", why="-", state="-", next="-")

    with pytest.raises(InfraError) as refused:
        run(stack, refuse=refuse)
    assert (refused.value.code, stack.deployed) == ("rules-broken", [])
    assert asked == [{"release": "2", "serves": "target"}]


@pytest.mark.parametrize(
    ("values", "back_to"),
    [
        ({}, "7"),  # the catalogue's, which may say another one by now: the contract knows what was published
        ({"image": f"1@{DIGEST}"}, "1"),
        ({"release": "1", "image": f"1@{DIGEST}", "migrate": "true"}, "1"),
    ],
)
def test_the_way_back_names_the_release_also_where_the_settings_do_not(values: dict[str, str], back_to: str) -> None:
    stack = FakeStack(broken=frozenset({"2"}), values=dict(values))
    with pytest.raises(InfraError) as back:
        run(stack, published=lambda: "7")
    assert (back.value.code, back.value.state) == (
        "deployment-rolled-back",
        f"release {back_to} serves again, and answers as it did",
    )
    assert stack.deployed == ["2", back_to]
    assert stack.values == {**values, "release": back_to}


def test_a_state_that_takes_what_came_up_for_its_settings_is_gone_back_from_all_the_same() -> None:
    """Where other machines work on it, its last success is what it was last applied with: the release that failed."""

    @dataclass
    class Shared(FakeStack):
        def up(self, say: Callable[[str], None], hopeless: Callable[[], str | None] = lambda: None) -> None:
            super().up(say, hopeless)
            history.update(self.values)

        def settings(self) -> dict[str, str]:
            return dict(history) if self is stack else dict(self.values)

    history = {"release": "1", "serves": "target"}
    stack = Shared()
    with pytest.raises(InfraError) as back:
        run(stack, lambda: ["/ answered 500"] if stack.deployed[-1:] == ["2"] else [])
    assert back.value.code == "deployment-rolled-back"
    assert (stack.deployed, history["release"]) == (["2", "1"], "1")


def test_what_changes_is_said_field_by_field_before_anything_is_applied() -> None:
    old, new = step("update", "Deployment")["newState"], step("update", "Deployment")["newState"]
    for state, image in ((old, "portal:1"), (new, "portal:2")):
        state["inputs"]["spec"] = {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}
    stack, said = FakeStack([{"op": "update", "oldState": old, "newState": new}]), list[str]()

    def say(text: str) -> None:
        assert stack.deployed == []
        said.append(text)

    run(stack, say=say)
    assert said == [
        f"preview: update Deployment {NAMESPACE}/portal-web",
        "preview:   spec.template.spec.containers[web].image: portal:1 → portal:2",
    ]


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


def test_a_replacement_is_refused_with_the_field_that_needs_it() -> None:
    odd = step("replace", "Cluster", namespace="httt-portal-data", name="portal-db")
    stack = FakeStack([{**odd, "replaceReasons": ["spec.storage.storageClass"]}])
    with pytest.raises(InfraError) as refused:
        judge(stack, NAMESPACE, Wanted("2"), lambda settings: None, lambda text: None)
    assert refused.value.code == "deployment-unexpected"
    assert refused.value.why == "replace Cluster httt-portal-data/portal-db because of spec.storage.storageClass"
    assert stack.deployed == []
