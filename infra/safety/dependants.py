"""Names who must follow when the ground of others has changed, and who would stand on what is not laid; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.errors import InfraError
from infra.foundations import LAID, STOOD_ON

Outputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parted:
    """A stack and the one below it, which say different things of what the lower lays for the upper."""

    stack: str
    below: str

    def __str__(self) -> str:
        return f"{self.stack} stands on what {self.below} was before"


def outputs(export: Mapping[str, Any]) -> Outputs:
    """Return the outputs of a stack's exported state; none of one that was never applied."""
    for each in (export.get("deployment") or {}).get("resources") or []:
        if each["type"] == "pulumi:pulumi:Stack":
            found: Outputs = each.get("outputs") or {}
            return found
    return {}


def was_applied(export: Mapping[str, Any]) -> bool:
    """Return whether a stack's exported state holds anything: one that was only made lays nothing."""
    return bool((export.get("deployment") or {}).get("resources"))


def parted(applied: Mapping[str, Outputs]) -> Iterator[Parted]:
    """Yield each stack whose ground was changed since it was applied.

    A stack that was applied before stacks said what they stand on says nothing here, and is not guessed about.
    """
    for stack, mine in applied.items():
        for below, known in (mine.get(STOOD_ON) or {}).items():
            laid = (applied.get(below, {}).get(LAID) or {}).get(stack)
            if laid is not None and laid != known:
                yield Parted(stack, below)


def refuse_unlaid(
    wanted: Mapping[str, Outputs], applied: Mapping[str, Outputs], never: Collection[str] = frozenset()
) -> None:
    """Raise `InfraError` (`ground-not-laid`) for stacks that would stand on what the one below is declared to be.

    `wanted`: what the chosen stacks will export. `applied`: what the stacks below, which are not chosen, exported.
    `never`: those of them that were never applied.
    """
    found = [each for each in parted({**applied, **wanted}) if each.stack in wanted and each.below not in wanted]
    found += [
        Parted(stack, below) for stack, mine in wanted.items() for below in mine.get(STOOD_ON) or {} if below in never
    ]
    if not found:
        return
    below = sorted({each.below for each in found})
    raise InfraError(
        "ground-not-laid",
        what=f"{' and '.join(below)} would not be what {', '.join(sorted({each.stack for each in found}))} stands on",
        why="\n         ".join(
            f"{each.stack} stands on {each.below}, which was never applied"
            if each.below in never
            else f"{each.stack} is declared for another {each.below} than the one that was applied"
            for each in found
        ),
        state="nothing was written",
        next=f"python -m infra.up {' '.join([*below, *sorted({each.stack for each in found})])}",
    )


def sentence(found: Iterable[Parted]) -> str | None:
    """Return what people must do for those that must follow; None if there are none."""
    every = list(found)
    if not every:
        return None
    stacks = " ".join(sorted({each.stack for each in every}))
    return f"must follow: {'; '.join(map(str, every))}. python -m infra.up {stacks}"
