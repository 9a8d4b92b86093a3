"""The scheduled jobs of one system: crontab lines at the source, CronJobs on the target; never armed on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from migration.adapters.survey import crontabs
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof, Severity, Side
from migration.ports import Clock, Cluster, Playbooks

_RUN_SECONDS_MAX: Final = 120
"""How long a run that is under way at the source may take to end."""
_NO_JOBS: Final = Probe(ProbeState.NOT_DONE, "it has no jobs: nothing is put to rest here and nothing is armed")
"""Not done, on either side: a way back must see its end, and to do nothing once more costs nothing."""


class CronMove:
    """Port `JobsMove`."""

    def __init__(self, context: SystemContext, *, playbooks: Playbooks, cluster: Cluster, clock: Clock) -> None:
        self._context, self._playbooks, self._cluster, self._clock = context, playbooks, cluster, clock
        self._names = tuple(job.name for job in context.system.jobs)
        self._target = {job.name: job for job in context.contract.jobs}

    def check(self) -> Sequence[Finding]:
        """Return jobs that the target lacks, or schedules at other times than the catalogue says."""
        found = []
        for job in self._context.system.jobs:
            there = self._target.get(job.name)
            if there is None or there.schedule != job.schedule:
                what = "is not on the target" if there is None else f"runs at {there.schedule!r} on the target"
                found.append(
                    Finding(
                        Severity.BLOCKER,
                        "job-differs",
                        f"{self._context.system.id}/jobs/{job.name}",
                        f"{job.name} {what}; the catalogue says {job.schedule!r}",
                        f"pulumi up --stack {self._context.system.id}",
                    )
                )
        return found

    def disarm_source(self) -> Facts:
        """Run `quiesce` on each host that has a crontab of ours; it waits for runs under way."""
        return {"source": cast("Json", self._play("quiesce"))}

    def source_disarmed(self) -> Probe:
        """Read the crontabs and the process lists again."""
        return self._probe_source(armed=False) if self._names else _NO_JOBS

    def rearm_source(self) -> None:
        """Give every line its former text again, and read it back."""
        still = [name for name, job in self._play("rollback").items() if not job["armed"]]
        if still:
            raise self._failed("job-not-rearmed", f"{', '.join(still)} is not armed at the source", "its line was kept")

    def arm_target(self) -> Facts:
        """Let the CronJobs run on the target."""
        return self._set_target(suspended=False)

    def target_armed(self) -> Probe:
        """Read the CronJobs."""
        if not self._names:
            return _NO_JOBS
        try:
            armed = self._target_armed()
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the target's jobs cannot be read: {unknown.why}")
        sentence = ", ".join(f"{name} {'armed' if is_armed else 'suspended'}" for name, is_armed in armed.items())
        done = set(armed) == set(self._names) and all(armed.values())
        return Probe(ProbeState.DONE if done else ProbeState.NOT_DONE, sentence or "the target has none of its jobs")

    def disarm_target(self) -> None:
        """Suspend the CronJobs; runs under way on the target end by themselves."""
        self._set_target(suspended=True)

    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        """Compare what is armed on each side with where it should be."""
        differences: list[str] = []
        figures: dict[str, Json] = {"jobs": len(self._names)}
        try:
            source, target = self._play("watch"), self._target_armed()
            for name in self._names:
                differences += self._judge(name, source.get(name), target.get(name), serving)
        except StepFailed as unread:
            differences.append(f"it could not be read: {unread.why}")
        where = f"on the {serving} alone" if serving else "on no side"
        sentence = f"{len(self._names)} jobs are armed {where}" if not differences else differences[0]
        return [Proof("jobs", not differences, sentence, figures, tuple(differences[:20]))]

    def _judge(
        self, name: str, source: dict[str, Any] | None, target_armed: bool | None, serving: Side | None
    ) -> list[str]:
        if source is None or target_armed is None:
            return [f"{name} is not there on the {Side.SOURCE if source is None else Side.TARGET}"]
        found = []
        for side, armed in ((Side.SOURCE, bool(source["armed"])), (Side.TARGET, target_armed)):
            if armed is not (serving is side):
                found.append(f"{name} is {'' if armed else 'not '}armed on the {side}")
        if serving is not Side.SOURCE and source["running"]:
            found.append(f"a run of {name} is alive on the source")
        return found

    def _probe_source(self, *, armed: bool) -> Probe:
        try:
            jobs = self._play("watch")
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the source's crontabs cannot be read: {unknown.why}")
        odd = [name for name in self._names if name not in jobs or bool(jobs[name]["armed"]) is not armed]
        running = [name for name, job in jobs.items() if job["running"]]
        if odd or (running and not armed):
            return Probe(ProbeState.NOT_DONE, f"{', '.join(odd + running)}: armed, running or missing at the source")
        return Probe(ProbeState.DONE, f"{len(jobs)} jobs are {'armed' if armed else 'disarmed'} at the source")

    def _set_target(self, *, suspended: bool) -> dict[str, Json]:
        for job in self._target.values():
            self._cluster.set_cronjob_suspended(job.namespace, job.cronjob, suspended)
        return dict.fromkeys(self._target, "suspended" if suspended else "armed")

    def _target_armed(self) -> dict[str, bool]:
        return {
            name: not self._cluster.cronjob_suspended(job.namespace, job.cronjob) for name, job in self._target.items()
        }

    def _play(self, playbook: str) -> dict[str, dict[str, Any]]:
        """Run a playbook for each crontab; return what it read back, by job."""
        found: dict[str, dict[str, Any]] = {}
        for (host, user), words in crontabs(self._context.system).items():
            variables: dict[str, Json] = {
                "dcshift_system": self._context.system.id,
                "dcshift_component": "jobs",
                "dcshift_token": self._context.token(),
                "cron_jobs_user": user,
                "cron_jobs_words": cast("Json", words),
                "cron_jobs_wait_seconds": _RUN_SECONDS_MAX,
            }
            said = self._playbooks.run(
                playbook, limit=[host], variables=variables, timeout_seconds=_RUN_SECONDS_MAX + 60.0
            ).results[host]
            found |= cast("dict[str, dict[str, Any]]", said["jobs"])
        return found

    def _failed(self, code: str, what: str, why: str) -> StepFailed:
        return StepFailed(code, what=what, why=why, state="the target's jobs are as they were", next="dcshift status")
