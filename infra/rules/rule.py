"""One rule: its sentence for people, its condition for machines, and where it can be enforced; it judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from catalogue.controls import IDS
from catalogue.norms import NormSet
from infra.rules.subjects import Subject


class Scope(Enum):
    """What the condition needs to know, and so who can enforce it."""

    OBJECT = "the object alone: graph, policy pack, admission"
    DECLARED = "only what a stack declares; the cluster must take such objects from others: graph, policy pack"
    OPTIONS = "the engine's options that a policy pack is told: graph, policy pack"
    RETAIN = "the engine's option `retain_on_delete`, which policy packs are not told: graph"
    STACK = "other objects of the stack in its own namespace: graph, policy pack"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that every object of a subject meets; the same text of CEL is judged everywhere."""

    id: str
    sentence: str
    law: str
    """A control of the norms by its id, else the topic of TT 12/2022 that we take it from."""
    subject: Subject
    condition: str
    """CEL over `object`, `namespaceObject` and `variables`; OPTIONS and RETAIN add `options`.

    STACK adds `objects`: those of the stack in the same namespace. Such a rule may speak of no others.
    """
    scope: Scope = Scope.OBJECT
    level: int = 1
    """The lowest level of security that asks for it."""
    in_lab: bool = True
    """Whether a lab is asked too: one small machine has no room for copies, and builds its images itself."""

    @property
    def expression(self) -> str:
        """Return the condition with what it is asked of."""
        unless = [] if self.level == 1 else [f"variables.level < {self.level}"]
        unless += [] if self.in_lab else ["variables.lab"]
        return " || ".join([*unless, f"({self.condition})"]) if unless else self.condition

    @property
    def message(self) -> str:
        return f"{self.id}: {self.sentence}"

    def cited(self, norms: NormSet) -> tuple[str, bool]:
        """Return the legal reference, and whether somebody compared it with the words of the text."""
        if self.law in IDS:
            return norms.citation(self.law), norms.row(self.law).verified
        return f"12/2022/TT-BTTTT, {self.law}", False
