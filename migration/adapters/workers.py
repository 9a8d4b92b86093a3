"""The workers of one system: services of systemd at the source, StatefulSets on the target; never at work on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from catalogue.system import Worker
from catalogue.target import TargetWorker
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof, Severity, Side
from migration.ports import Clock, Cluster, Playbooks, SetState

_CHANGE_SECONDS_MAX: Final = 180.0
"""How long a pod may take to be ready, or to be gone: its image may have to come, its work may have to end."""
_POLL_SECONDS: Final = 1.0


class ServiceWorkers:
    """The half of port `JobsMove` that is about workers; without workers it asks nobody."""

    def __init__(self, context: SystemContext, *, playbooks: Playbooks, cluster: Cluster, clock: Clock) -> None:
        self._context, self._playbooks, self._cluster, self._clock = context, playbooks, cluster, clock
        self.names = tuple(worker.name for worker in context.system.workers)
        self._target = {worker.name: worker for worker in context.contract.workers}

    def check(self) -> Sequence[Finding]:
        """Return workers that the target lacks or counts otherwise, and those that did not work at the source."""
        found = []
        for worker in self._context.system.workers:
            where, stack = f"{self._context.system.id}/workers/{worker.name}", self._context.system.id
            if odd := _differs(worker, self._target.get(worker.name)):
                found.append(Finding(Severity.BLOCKER, "worker-differs", where, odd, f"pulumi up --stack {stack}"))
            seen = self._context.facts.workers.get(worker.name)
            if seen is None or not seen.active:
                service = self._context.system.source.workers[worker.name].service
                found.append(
                    Finding(
                        Severity.BLOCKER,
                        "source-worker-inactive",
                        where,
                        f"{service} did not run at the survey",
                        "start it, or take the worker out of the catalogue; then dcshift survey and dcshift plan",
                    )
                )
        return found

    def disarm_source(self) -> Facts:
        """Stop and disable each service; it ends what it is at first."""
        return {name: dict(self._play("quiesce", name)) for name in self.names}

    def source_disarmed(self) -> Probe:
        """Read the services again."""
        try:
            alive = [name for name in self.names if _at_work(self._play("watch", name))]
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the source's workers cannot be read: {unknown.why}")
        if alive:
            return Probe(ProbeState.NOT_DONE, f"{', '.join(alive)}: at work at the source, or started with its host")
        return Probe(ProbeState.DONE, f"{len(self.names)} workers are at rest at the source")

    def rearm_source(self) -> None:
        """Start and enable each service again, and read it back."""
        for name in self.names:
            said = self._play("rollback", name)
            if not (said["active"] and said["enabled"]):
                raise self._failed(
                    "worker-not-restarted",
                    f"{name} does not work at the source",
                    f"its service is {'' if said['active'] else 'not '}active after it was started",
                )

    def arm_target(self) -> Facts:
        """Let as many pods work as the contract says, and wait until they say that they live."""
        for worker in self._target.values():
            self._scale(worker, worker.replicas)
        return {name: {"replicas": worker.replicas} for name, worker in self._target.items()}

    def target_armed(self) -> Probe:
        """Read the StatefulSets."""
        try:
            seen = {name: self._seen(worker) for name, worker in self._target.items()}
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the target's workers cannot be read: {unknown.why}")
        sentence = ", ".join(
            f"{name} {state.ready} of {self._target[name].replicas} ready" for name, state in seen.items()
        )
        done = set(seen) == set(self.names) and all(
            state.wanted == state.ready == self._target[name].replicas for name, state in seen.items()
        )
        return Probe(ProbeState.DONE if done else ProbeState.NOT_DONE, sentence or "the target has none of its workers")

    def disarm_target(self) -> None:
        """Let no pod work, and wait until none is left."""
        for worker in self._target.values():
            self._scale(worker, 0)

    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        """Compare which side's workers are at work with which should be."""
        differences: list[str] = []
        try:
            for name in self.names:
                differences += self._judge(name, serving)
        except StepFailed as unread:
            differences.append(f"it could not be read: {unread.what}: {unread.why}")
        where = f"on the {serving} alone" if serving else "on no side"
        sentence = differences[0] if differences else f"{len(self.names)} workers are at work {where}"
        return [Proof("workers", not differences, sentence, {"workers": len(self.names)}, tuple(differences[:20]))]

    def _judge(self, name: str, serving: Side | None) -> list[str]:
        source, worker = self._play("watch", name), self._target.get(name)
        if worker is None:
            return [f"{name} is not there on the target"]
        target, found = self._seen(worker), []
        if serving is Side.SOURCE and not source["active"]:
            found.append(f"{name} is not at work on the source")
        if serving is not Side.SOURCE and _at_work(source):
            found.append(f"{name} is at work on the source, or started with its host")
        if serving is Side.TARGET and not target.wanted == target.ready == worker.replicas:
            found.append(f"{name} has {target.ready} of {worker.replicas} pods at work on the target")
        if serving is not Side.TARGET and (target.wanted or target.pods):
            found.append(f"{name} has {max(target.wanted, target.pods)} pods on the target")
        return found

    def _scale(self, worker: TargetWorker, wanted: int) -> None:
        self._cluster.scale_stateful_set(worker.namespace, worker.stateful_set, wanted)
        self._wait(worker, lambda state: state.wanted == state.ready == state.pods == wanted, wanted)

    def _wait(self, worker: TargetWorker, holds: Callable[[SetState], bool], wanted: int) -> None:
        end = self._clock.now() + _CHANGE_SECONDS_MAX
        while not holds(state := self._seen(worker)):
            if self._clock.now() > end:
                raise self._failed(
                    "worker-not-scaled",
                    f"{worker.name} did not come to {wanted} pods on the target",
                    f"after {_CHANGE_SECONDS_MAX:.0f} s it has {state.pods}, of which {state.ready} are ready",
                    f"kubectl -n {worker.namespace} describe pods, then: dcshift run",
                )
            self._clock.sleep(_POLL_SECONDS)

    def _seen(self, worker: TargetWorker) -> SetState:
        return self._cluster.stateful_set(worker.namespace, worker.stateful_set)

    def _play(self, playbook: str, name: str) -> Mapping[str, Any]:
        place = self._context.system.source.workers[name]
        variables: dict[str, Json] = {
            "dcshift_system": self._context.system.id,
            "dcshift_component": "workers",
            "dcshift_token": self._context.token(),
            "service_name": place.service,
        }
        return self._playbooks.run(playbook, limit=[place.host], variables=variables).results[place.host]

    def _failed(self, code: str, what: str, why: str, next: str = "dcshift status") -> StepFailed:
        return StepFailed(code, what=what, why=why, state="what was reached stays so, and is read again", next=next)


def _at_work(service: Mapping[str, Any]) -> bool:
    return bool(service["active"] or service["enabled"] or service["pid"])


def _differs(worker: Worker, there: TargetWorker | None) -> str:
    if there is None:
        return f"{worker.name} is not on the target"
    if there.replicas != worker.replicas:
        return f"{worker.name} has {there.replicas} pods on the target; the catalogue says {worker.replicas}"
    return ""
