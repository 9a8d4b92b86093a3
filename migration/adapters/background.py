"""All that a system does unasked, by the clock or all the time: its jobs and workers, at rest and armed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from migration.adapters.jobs import CronMove
from migration.adapters.workers import ServiceWorkers
from migration.errors import StepFailed
from migration.model.words import Facts, Finding, Probe, ProbeState, Proof, Side

_NOTHING: Final = Probe(
    ProbeState.NOT_DONE, "it has neither jobs nor workers: nothing is put to rest and nothing armed"
)
"""Not done, on either side: a way back must see its end, and to do nothing once more costs nothing."""


class BackgroundMove:
    """Port `JobsMove`. A part that the system does not have is asked about nothing, and says nothing."""

    def __init__(self, jobs: CronMove, workers: ServiceWorkers) -> None:
        self._jobs, self._workers = jobs, workers
        self._parts = [part for part in (jobs, workers) if part.names]

    def check(self) -> Sequence[Finding]:
        """Return what speaks against the move of either; also of jobs that nobody declared."""
        return [*self._jobs.check(), *self._workers.check()]

    def disarm_source(self) -> Facts:
        """Workers first: what they leave undone, no job finds half done."""
        return self._facts(self._workers.disarm_source(), self._jobs.disarm_source())

    def source_disarmed(self) -> Probe:
        return _all([part.source_disarmed() for part in self._parts])

    def rearm_source(self) -> None:
        _each([part.rearm_source for part in self._parts])

    def arm_target(self) -> Facts:
        """Jobs first: their slots pass while a worker's pod starts."""
        jobs = self._jobs.arm_target()
        return self._facts(self._workers.arm_target(), jobs)

    def target_armed(self) -> Probe:
        return _all([part.target_armed() for part in self._parts])

    def disarm_target(self) -> None:
        _each([part.disarm_target for part in self._parts])

    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        return [*self._jobs.prove(serving=serving), *self._workers.prove(serving=serving)]

    def _facts(self, workers: Facts, jobs: Facts) -> Facts:
        return {**jobs, "workers": dict(workers)} if self._workers.names else jobs


def _each(effects: Sequence[Callable[[], None]]) -> None:
    """Do all of them; what the first one raised is raised when all were tried."""
    failures = []
    for effect in effects:
        try:
            effect()
        except StepFailed as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def _all(probes: Sequence[Probe]) -> Probe:
    """Return done only if every part is; what cannot be read decides before what is not done."""
    if not probes:
        return _NOTHING
    for state in (ProbeState.UNKNOWN, ProbeState.NOT_DONE):
        if found := [probe.sentence for probe in probes if probe.state is state]:
            return Probe(state, "; ".join(found))
    return Probe(ProbeState.DONE, "; ".join(probe.sentence for probe in probes))
