"""What a person asks of a run, and how a process's part of it ended; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from migration.model.run import Policy, Want
from migration.model.words import Finding, Stage, StepId


class Outcome(StrEnum):
    """How a process's part of a run ended."""

    DONE = "done"
    FAILED = "failed"
    STUCK = "stuck"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked this process for."""

    want: Want
    systems: tuple[str, ...]
    until: Stage = Stage.WATCH
    policy: Policy = Policy.FREEZE
    by: str = ""
    wait_seconds: float = 0.0
    """How long to wait for another process that moves one of these systems."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How this process's part of the run ended."""

    outcome: Outcome
    system: str | None = None
    step: StepId | None = None
    sentence: str = ""
    findings: tuple[Finding, ...] = ()
