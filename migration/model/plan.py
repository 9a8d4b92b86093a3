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
class Engine:
    """How the database of one system is copied, and why so."""

    system: str
    name: str
    """`logical`, row by row, or `physical`, by the files of its server."""
    why: str
    """A sentence for people."""


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
    engines: tuple[Engine, ...] = ()
    """One for each system; empty in plans that are older than the choice: they copy row by row."""

    @property
    def id(self) -> str:
        """Return the SHA-256 of the plan's content; people see its first six characters."""
        content = dataclasses.asdict(self)
        # What joined later counts only where it says something, or an older plan would not have its own name.
        if not self.engines:
            del content["engines"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def engine(self, system: str) -> Engine | None:
        """Return how the database of a system is copied; None in a plan that is older than the choice."""
        return next((engine for engine in self.engines if engine.system == system), None)

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
