"""What each stack declares, by name, against a committed list; a change of it is meant to be seen in review."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.declared import STACKS, Built, build

GOLDEN = Path(__file__).parent / "golden"
REFRESH = "DCSHIFT_GOLDEN=write .venv/bin/pytest tests/infra/test_inventory.py"


def inventory(built: Built) -> str:
    lines = {}
    for declared in built.objects:
        locks = [word for word, held in (("protected", declared.protect), ("kept", declared.retain)) if held]
        lines[declared.identity] = {"name": declared.name, **({"locks": ", ".join(locks)} if locks else {})}
    return yaml.safe_dump(lines, sort_keys=True, width=200)


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_declares_exactly_its_inventory(name: str, stack: Callable[[str], Built]) -> None:
    golden, found = GOLDEN / f"{name}.yaml", inventory(stack(name))
    if os.environ.get("DCSHIFT_GOLDEN") == "write":
        golden.write_text(found)
    assert found == golden.read_text(), f"the inventory changed; if that is meant: {REFRESH}"


@pytest.mark.parametrize("name", ["platform", "ground.portal", "data", "security", "portal"])
def test_a_preview_declares_what_an_update_declares(name: str, stack: Callable[[str], Built]) -> None:
    """A resource made inside `apply` would be missing here: its trigger is unknown in a preview."""
    assert inventory(build(name, preview=True)) == inventory(stack(name))


def test_no_two_objects_have_one_identity(stack: Callable[[str], Built]) -> None:
    everything = [o for name in STACKS for o in stack(name).objects]
    # One kind may exist in several groups; none of ours does.
    assert len({o.identity for o in everything}) == len(everything)
