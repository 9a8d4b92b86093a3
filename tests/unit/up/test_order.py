"""One list of stacks: names that no system can take, and steps that leave none out."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from catalogue.system import Id
from infra import order
from tests.support.declared import STACKS


def test_every_stack_is_in_one_step() -> None:
    steps = order.steps(STACKS)
    assert sorted(stack for step in steps for stack in step) == sorted(STACKS)
    assert [step[0] for step in steps] == ["platform", "ground.feedback", "data", "security"]
    assert order.steps(("portal", "data")) == [["data"], ["portal"]]
    assert order.steps(()) == []


@pytest.mark.parametrize("system", ["ground", "ground-portal", "portal"])
def test_a_system_that_is_called_as_a_ground_is_has_stacks_of_its_own(system: str) -> None:
    assert (order.layer(system), order.layer(order.ground(system))) == ("system", "ground")
    assert order.system(order.ground(system)) == order.system(system) == system


def test_no_id_of_a_system_is_the_name_of_a_ground() -> None:
    (pattern,) = [found.pattern for found in get_args(Id) if getattr(found, "pattern", None)]
    assert re.fullmatch(pattern, "ground")
    assert not re.fullmatch(pattern, order.ground("portal"))
