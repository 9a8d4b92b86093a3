"""The tools that moves are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from migration.errors import MigrationError
from migration.model.words import Json, Progress


class Clock(Protocol):
    """Time and waiting; the only source of both."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class PlaybookResult:
    """The structured results of a playbook: per host, what its last `set_stats` said."""

    results: Mapping[str, Mapping[str, Json]]
    seconds: float


class Playbooks(Protocol):
    """Runs a playbook of `playbooks/` in its own job-host process."""

    def run(
        self,
        playbook: str,
        *,
        limit: Sequence[str],
        variables: Mapping[str, Json],
        secrets: Mapping[str, str] | None = None,
        timeout_seconds: float = 300.0,
    ) -> PlaybookResult:
        """Run `<playbook>.yml` against exactly these hosts.

        Raises `StepFailed` unless every host of `limit` was reached, processed and reported; with the failed task.
        """


@dataclass(frozen=True, slots=True)
class CronJobState:
    """When a CronJob starts its job."""

    schedule: str
    time_zone: str
    suspended: bool
    starting_deadline_seconds: int | None
    last_slot: float | None
    """The last slot that counts as run, seconds since the epoch: the controller starts none up to it."""


@dataclass(frozen=True, slots=True)
class SetState:
    """How many pods of a StatefulSet are asked for, say that they are ready, and exist at all."""

    wanted: int
    ready: int
    """Of the current generation."""
    pods: int
    """Also those that are on their way out."""


class Cluster(Protocol):
    """The target's Kubernetes API, as far as the migration needs it."""

    def read_contract(self, namespace: str) -> Json: ...

    def read_secret(self, namespace: str, name: str) -> Mapping[str, str]: ...

    def write_secret(self, namespace: str, name: str, values: Mapping[str, str]) -> None: ...

    def delete_secret(self, namespace: str, name: str) -> None: ...

    def service_address(self, namespace: str, name: str) -> tuple[str, int]:
        """Return an address and port at which the job host reaches a service."""

    def deployment_ready(self, namespace: str, name: str) -> tuple[int, int]:
        """Return (ready, wanted) replicas of the current generation."""

    def stateful_set(self, namespace: str, name: str) -> SetState: ...

    def scale_stateful_set(self, namespace: str, name: str, wanted: int) -> None: ...

    def cronjob(self, namespace: str, name: str) -> CronJobState: ...

    def set_cronjob_last_slot(self, namespace: str, name: str, moment: float) -> None:
        """Let every slot up to this moment count as run."""

    def set_cronjob_suspended(self, namespace: str, name: str, suspended: bool) -> None: ...

    def cronjob_active_runs(self, namespace: str, name: str) -> int: ...


class Remote(Protocol):
    """A warm SSH connection to one source host, for the few commands inside the hold; no shell strings from data."""

    def run(self, host: str, argv: Sequence[str], *, input: str | None = None, timeout_seconds: float = 10.0) -> str:
        """Return stdout; raises `StepFailed` with stderr when the exit status is not 0."""


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """A named unit's life: `running`, `done`, `failed`, or `absent`; `result` is its last JSON line."""

    state: str
    progress: Progress | None
    result: Mapping[str, Json] | None
    failure: MigrationError | None = None
    """Why it failed, in the unit's own four thoughts if it said them."""


class Units(Protocol):
    """Named processes that outlive the orchestrator: movements of hours."""

    def start(self, name: str, argv: Sequence[str], *, secrets: Mapping[str, str], token: int) -> None:
        """Start, or attach if a unit of this name is alive; a token lower than the highest seen is refused."""

    def status(self, name: str) -> UnitStatus: ...

    def stop(self, name: str) -> None: ...
