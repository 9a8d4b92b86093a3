"""The scheduled jobs of one system: crontab lines at the source, CronJobs on the target; never armed on both sides."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from catalogue.schedule import slots
from catalogue.target import TargetJob
from migration.adapters.survey import crontabs
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof, Severity, Side
from migration.ports import Clock, Cluster, CronJobState, Playbooks

_RUN_SECONDS_MAX: Final = 120
"""How long a run that is under way at the source may take to end."""
_LINE_SHOWN_MAX: Final = 120


class CronMove:
    """The half of port `JobsMove` that is about jobs."""

    def __init__(self, context: SystemContext, *, playbooks: Playbooks, cluster: Cluster, clock: Clock) -> None:
        self._context, self._playbooks, self._cluster, self._clock = context, playbooks, cluster, clock
        self.names = tuple(job.name for job in context.system.jobs)
        self._target = {job.name: job for job in context.contract.jobs}
        self._not_run: list[str] = []
        """Slots that neither side runs, as far as this process has armed the target."""

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
        return [*found, *self._stray()]

    def _stray(self) -> Iterator[Finding]:
        """Name what else is scheduled at the source: it would go on there, or be missed on the target, unseen."""
        system = self._context.system
        for job in self._context.facts.stray_jobs:
            if not any(fnmatch.fnmatchcase(job.line, pattern) for pattern in system.source.jobs_left_behind):
                yield Finding(
                    Severity.BLOCKER,
                    "job-undeclared",
                    f"{job.host}/{job.user}/{job.where}",
                    f"no system declares what is scheduled there: {job.line[:_LINE_SHOWN_MAX]}",
                    f"declare it in jobs, or name it in source.jobs_left_behind of {system.id}; then survey and plan",
                )

    def disarm_source(self) -> Facts:
        """Run `quiesce` on each host that has a crontab of ours; it waits for runs under way.

        The target learns up to which slot the source has run each job: its controller starts at once whatever it takes
        for missed when a job is armed, and would run that slot a second time.
        """
        jobs = self._play("quiesce")
        for name, job in self._target.items():
            self._tell_last_slot(job, float(jobs[name]["disarmed_at"]))
        return {"source": cast("Json", jobs)}

    def _tell_last_slot(self, job: TargetJob, moment: float) -> None:
        told = self._cluster.cronjob(job.namespace, job.cronjob).last_slot
        # Never backwards: what the target itself ran is not to be run again either.
        if told is None or told < moment:
            self._cluster.set_cronjob_last_slot(job.namespace, job.cronjob, moment)

    def source_disarmed(self) -> Probe:
        """Read the crontabs and the process lists again, and what the target knows of the source's last runs."""
        try:
            jobs = self._play("watch")
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the source's crontabs cannot be read: {unknown.why}")
        odd = [name for name in self.names if name not in jobs or jobs[name]["disarmed_at"] is None]
        running = [name for name, job in jobs.items() if job["running"]]
        if odd or running:
            return Probe(ProbeState.NOT_DONE, f"{', '.join(odd + running)}: armed, running or missing at the source")
        try:
            untold = [name for name, job in self._target.items() if self._last_slot(job) < jobs[name]["disarmed_at"]]
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the target's jobs cannot be read: {unknown.why}")
        if untold:
            return Probe(ProbeState.NOT_DONE, f"the target does not know which slots of {', '.join(untold)} have run")
        return Probe(ProbeState.DONE, f"{len(jobs)} jobs are disarmed at the source")

    def _last_slot(self, job: TargetJob) -> float:
        return self._cluster.cronjob(job.namespace, job.cronjob).last_slot or 0.0

    def rearm_source(self) -> None:
        """Give every line its former text again, and read it back."""
        still = [name for name, job in self._play("rollback").items() if not job["armed"]]
        if still:
            raise self._failed("job-not-rearmed", f"{', '.join(still)} is not armed at the source", "its line was kept")

    def arm_target(self) -> Facts:
        """Let the CronJobs run on the target; the facts name every slot that fell between both sides."""
        facts: dict[str, Json] = {}
        for name, job in self._target.items():
            before = self._cluster.cronjob(job.namespace, job.cronjob)
            self._cluster.set_cronjob_suspended(job.namespace, job.cronjob, False)
            facts[name], not_run = _gap(before, self._clock.now())
            self._not_run += [f"{name} {moment}" for moment in not_run]
        return facts

    def target_armed(self) -> Probe:
        """Read the CronJobs."""
        try:
            armed = self._target_armed()
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the target's jobs cannot be read: {unknown.why}")
        sentence = ", ".join(f"{name} {'armed' if is_armed else 'suspended'}" for name, is_armed in armed.items())
        done = set(armed) == set(self.names) and all(armed.values())
        return Probe(ProbeState.DONE if done else ProbeState.NOT_DONE, sentence or "the target has none of its jobs")

    def disarm_target(self) -> None:
        """Suspend the CronJobs; runs under way on the target end by themselves."""
        for job in self._target.values():
            self._cluster.set_cronjob_suspended(job.namespace, job.cronjob, True)

    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        """Compare what is armed on each side with where it should be."""
        differences: list[str] = []
        figures: dict[str, Json] = {"jobs": len(self.names)}
        try:
            source, target = self._play("watch"), self._target_armed()
            for name in self.names:
                differences += self._judge(name, source.get(name), target.get(name), serving)
        except StepFailed as unread:
            differences.append(f"it could not be read: {unread.what}: {unread.why}")
        where = f"on the {serving} alone" if serving else "on no side"
        sentence = f"{len(self.names)} jobs are armed {where}" if not differences else differences[0]
        if self._not_run and not differences:
            figures["slots_not_run"] = list(self._not_run)
            sentence += f"; {len(self._not_run)} slots fell between both sides and are run by none: {self._not_run[0]}"
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

    def _target_armed(self) -> dict[str, bool]:
        return {
            name: not self._cluster.cronjob(job.namespace, job.cronjob).suspended for name, job in self._target.items()
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


def _gap(job: CronJobState, now: float) -> tuple[Json, list[str]]:
    """Return the facts of the time between both sides when a job is armed now, and the slots that nobody runs.

    The controller starts the last of them at once unless its deadline is over; it starts no other.
    """
    if job.last_slot is None or not job.suspended:
        return {"armed": True, "already": not job.suspended}, []
    missed = list(slots(job.schedule, job.time_zone, job.last_slot, now))
    deadline = job.starting_deadline_seconds
    late = missed[-1:] if missed and (deadline is None or now - missed[-1] < deadline) else []
    not_run = [_shown(moment) for moment in missed if moment not in late]
    facts: dict[str, Json] = {
        "armed": True,
        "source_ran_up_to": _shown(job.last_slot),
        "started_late": [_shown(moment) for moment in late],
        "not_run": list(not_run),
    }
    return facts, not_run


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
