"""The small words that everything else is said with: stages, components, findings, proofs, probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, TypeAlias

StepId = NewType("StepId", str)
"""`wave-1/portal/database/cutover`: stable, sortable, the same in journal, logs, report and tests."""
RunId = NewType("RunId", str)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Facts: TypeAlias = Mapping[str, Json]
"""What a step observed or did, for the journal and the report; never a secret, never personal data."""


class Stage(StrEnum):
    """The stages of a move, in order."""

    PREPARE = "prepare"
    REPLICATE = "replicate"
    QUIESCE = "quiesce"
    CUTOVER = "cutover"
    WATCH = "watch"


class Component(StrEnum):
    """A part of a system that moves."""

    DATABASE = "database"
    FILES = "files"
    JOBS = "jobs"
    WEB = "web"
    TRAFFIC = "traffic"


class Side(StrEnum):
    SOURCE = "source"
    TARGET = "target"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    BLOCKER = "blocker"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a check saw: a blocker forbids the step, a warning is printed and recorded."""

    severity: Severity
    code: str
    where: str
    what: str
    next: str


class ProbeState(StrEnum):
    DONE = "done"
    NOT_DONE = "not-done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """What the world says about a step's effect, re-read from it now; `sentence` says by which evidence."""

    state: ProbeState
    sentence: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of one verification. A check that could not run is `passed=False` with the reason as a difference."""

    name: str
    passed: bool
    sentence: str
    figures: Facts = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    """Each names the object (table and key, path, job, page) without personal data; at most 20 are kept."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where long work stands; `total` is None while it is unknown."""

    what: str
    done: int
    total: int | None
    unit: str
    rate_per_second: float | None = None
    seconds_left: float | None = None
    """How long all that is left will take, where that is more than what is counted here."""
    waits: str | None = None
    """Why it waits and since when; None while it goes on."""
    rows_done: int | None = None
    """Rows that have come, beside what is counted in `unit`; None where nobody counts them."""
