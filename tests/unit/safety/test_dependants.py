"""A changed ground names the stacks that must follow, each by itself; what has not changed names nobody."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from infra import order
from infra.errors import InfraError
from infra.foundations import LAID, STOOD_ON
from infra.safety.dependants import outputs, parted, refuse_unlaid, sentence
from tests.support.declared import CATALOGUE, GROUNDS, STACKS, Built, build, built_once
from tests.support.states import exported


def applied(**instead: Built) -> dict[str, Any]:
    return {stack: outputs(exported(instead.get(stack) or built_once(stack))) for stack in STACKS}


def changed(folder: Path, stack: str, old: str, new: str, file: str = "portal.yaml") -> Built:
    """Build a stack of the example with other words in one file."""
    made = folder / "catalogue"
    made.mkdir()
    for each in CATALOGUE.glob("*.yaml"):
        (made / each.name).write_text(each.read_text(encoding="utf-8"), encoding="utf-8")
    text = (made / file).read_text(encoding="utf-8")
    assert old in text
    (made / file).write_text(text.replace(old, new), encoding="utf-8")
    return build(stack, catalogue=made)


def told(**instead: Built) -> list[str]:
    return [str(each) for each in parted(applied(**instead))]


def test_each_stack_stands_on_what_those_below_lay() -> None:
    assert told() == []
    assert {stack: set(found[STOOD_ON]) for stack, found in applied().items()} == {
        "platform": set(),
        "ground.portal": {"platform"},
        "ground.feedback": {"platform"},
        "data": {"platform", "ground.portal", "ground.feedback"},
        "security": {"platform"},
        "portal": {"platform", "ground.portal", "data"},
        "feedback": {"platform", "ground.feedback", "data"},
    }
    assert set(applied()["platform"][LAID]) == set(STACKS) - {"platform"}
    assert set(applied()["ground.portal"][LAID]) == {"data", "portal"}


def test_nobody_stands_on_what_is_brought_up_beside_or_after_it() -> None:
    """One list says the order; what stacks themselves say that they stand on must fit it."""
    step_of = {stack: number for number, step in enumerate(order.steps(STACKS)) for stack in step}
    for stack, found in applied().items():
        assert all(step_of[below] < step_of[stack] for below in found[STOOD_ON]), stack
        assert order.carries(stack) is bool(found[LAID]), stack


@pytest.mark.parametrize("stack", STACKS)
def test_the_engine_itself_knows_of_no_stack_that_stands_on_another(stack: str) -> None:
    """The danger: an `up` of one stack touches no other, and says nothing of those that need what it changed."""
    assert not [each.type for each in built_once(stack).resources if "StackReference" in each.type]


def test_a_changed_ground_of_one_system_names_that_system_alone_and_nobody_else(tmp_path: Path) -> None:
    data = changed(tmp_path, "data", "major: 17", "major: 16")
    assert told(data=data) == ["portal stands on what data was before"]
    assert sentence(parted(applied(data=data))) == (
        "must follow: portal stands on what data was before. python -m infra.up portal"
    )
    assert sentence([]) is None


def test_a_neighbour_that_comes_or_moves_is_let_in_by_a_ground_that_must_follow(tmp_path: Path) -> None:
    """Each of two grounds has its half of the way between them: by one alone every call would be shut out."""
    both = tmp_path / "both"
    shutil.copytree(CATALOGUE, both)

    def write(file: str, old: str, new: str) -> None:
        text = (both / file).read_text(encoding="utf-8")
        assert old in text
        (both / file).write_text(text.replace(old, new), encoding="utf-8")

    for system, other in (("portal", "feedback"), ("feedback", "portal")):
        write(f"{system}.yaml", "integrations: []", f"integrations: [{other}]")
    near = build("platform", catalogue=both)
    assert told(platform=near) == [
        f"ground.{system} stands on what platform was before" for system in ("feedback", "portal")
    ]
    write("portal.yaml", "port: 8000", "port: 8001")
    moved = build("ground.portal", catalogue=both)
    with pytest.raises(InfraError, match=r"ground\.portal is declared for another platform"):
        refuse_unlaid({"ground.portal": moved.outputs}, {"platform": near.outputs})


@pytest.mark.parametrize("stack", ["ground.portal", "data"])
def test_a_pool_that_comes_or_goes_names_its_system(stack: str, tmp_path: Path) -> None:
    """Its pods would ask where nobody answers any more, or go a way that is closed."""
    without = changed(tmp_path, stack, ", pooler: session", "")
    assert told(**{stack: without}) == [f"portal stands on what {stack} was before"]


def test_another_domain_names_every_system_and_no_database(tmp_path: Path) -> None:
    platform = changed(tmp_path, "platform", "domain: khanhhoa.example", "domain: other.example", "province.yaml")
    assert told(platform=platform) == [
        f"{stack} stands on what platform was before" for stack in ("feedback", "portal")
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("address: 192.0.2.20", "address: 192.0.2.30", ["security stands on what platform was before"]),
        ("name: soc.khanhhoa.example", "name: soc.other.example", []),
    ],
)
def test_another_address_of_a_receiver_names_the_security_log_alone(
    old: str, new: str, expected: list[str], tmp_path: Path
) -> None:
    """Policies let out to addresses; by what name the receiver is known is the log's own business."""
    assert told(platform=changed(tmp_path, "platform", old, new, "province.yaml")) == expected


def test_a_setting_that_only_one_of_two_stacks_was_told_is_found() -> None:
    platform = built_once("platform", {"edgeNamespace": "another-edge"})
    assert told(platform=platform) == [
        f"{stack} stands on what platform was before" for stack in (*GROUNDS, "feedback", "portal")
    ]
    ground = built_once("ground.portal", {"operatorNamespace": "another-operator"})
    assert told(**{"ground.portal": ground}) == ["data stands on what ground.portal was before"]


def test_a_change_that_concerns_nobody_above_names_nobody() -> None:
    assert told(data=built_once("data", {"databaseInstances": "2"})) == []


def test_a_stack_is_not_written_for_a_ground_that_is_not_laid() -> None:
    wanted = {"portal": built_once("portal", {"edgeNamespace": "another-edge"}).outputs}
    below = {stack: found for stack, found in applied().items() if stack in ("platform", "ground.portal", "data")}
    with pytest.raises(InfraError) as refused:
        refuse_unlaid(wanted, below)
    assert refused.value.code == "ground-not-laid"
    assert refused.value.next == "python -m infra.up ground.portal platform portal"
    refuse_unlaid({"portal": built_once("portal").outputs}, below)


def test_stacks_that_never_said_what_they_stand_on_are_not_guessed_about() -> None:
    silent: dict[str, Any] = {stack: {} for stack in STACKS}
    assert list(parted(silent)) == []
    assert list(parted({**applied(), **{each: {} for each in ("platform", *GROUNDS, "data")}})) == []
    assert outputs({}) == outputs({"deployment": {"resources": None}}) == {}
