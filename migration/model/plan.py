"""The plan: immutable steps in waves, identified by the hash of its origin; it leaves no choice to the engine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from migration.model.words import Component, Stage, StepId


@dataclass(frozen=True, slots=True)
class Step:
    """One stage for one component of one system."""

    id: StepId
    wave: int
    system: str
    component: Component
    stage: Stage
    sentence: str
    """What it does, as printed for people."""
    proofs: tuple[str, ...]
    """Names of the proofs it owes; it is done only when they passed."""
    leases: tuple[str, ...]
    """Resources it must hold alone, such as `system:portal` or `host:db1`."""
    budget_seconds: float
    point_of_no_return: bool = False
    holds_users: bool = False
    """Citizens wait while this step runs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run does, in order, pinned to what it was made from."""

    catalogue_hash: str
    inventory_hash: str
    contracts: tuple[tuple[str, str], ...]
    """(system, contract hash) for each system that moves."""
    hold_max_seconds: tuple[tuple[str, float], ...]
    """(system, seconds) that citizens may be kept waiting; at three times that the freeze is given up."""
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        """Return the SHA-256 of the plan's content; people see its first six characters."""
        content = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def step(self, step_id: str) -> Step:
        """Return one step; raises `KeyError`."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def of(self, system: str) -> tuple[Step, ...]:
        """Return the steps of one system, in order."""
        return tuple(step for step in self.steps if step.system == system)

    def systems(self) -> tuple[str, ...]:
        """Return the systems in the order in which they move."""
        return tuple(dict.fromkeys(step.system for step in self.steps))

    def waves(self) -> tuple[int, ...]:
        """Return the wave numbers in order."""
        return tuple(sorted({step.wave for step in self.steps}))
