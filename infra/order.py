"""Which stacks a centre has, and which of them may be brought up side by side; the one place that says so; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from catalogue.load import Catalogue

Layer = Literal["platform", "ground", "data", "security", "system"]
LAYERS: Final[tuple[Layer, ...]] = get_args(Layer)
_OF_ALL: Final[tuple[Layer, ...]] = ("platform", "data", "security")
"""Layers of one stack, called as they are."""
_GROUND: Final = "ground."
"""No system's id has a dot, so no system is called as the ground of another is."""
_STEPS: Final[tuple[frozenset[Layer], ...]] = (
    frozenset({"platform"}),
    frozenset({"ground"}),
    frozenset({"data"}),
    frozenset({"security", "system"}),
)
"""What comes first; stacks of one step do not stand on each other (infra/foundations.py)."""


def ground(system: str) -> str:
    """Return the stack of one system's ground."""
    return f"{_GROUND}{system}"


def every(catalogue: Catalogue) -> list[str]:
    """Return the names of all stacks of a catalogue, in the order in which data flows."""
    systems = [each.id for each in catalogue.systems]
    log = ["security"] if catalogue.province.security_log else []
    return ["platform", *map(ground, systems), "data", *log, *systems]


def layer(stack: str) -> Layer:
    """Return the layer of a stack by its name."""
    for each in _OF_ALL:
        if stack == each:
            return each
    return "ground" if stack.startswith(_GROUND) else "system"


def system(stack: str) -> str:
    """Return the id of the system that a stack is called after."""
    return stack.removeprefix(_GROUND)


def steps(stacks: Iterable[str]) -> list[list[str]]:
    """Return the stacks one step after the other; those of one step may be brought up side by side."""
    chosen: Sequence[str] = list(stacks)
    found = [[stack for stack in chosen if layer(stack) in step] for step in _STEPS]
    return [step for step in found if step]


def carries(stack: str) -> bool:
    """Return whether others stand on this stack."""
    return layer(stack) not in _STEPS[-1]
