"""Moves all file sets of one system into their buckets; it only reads at the source, and removes only what it wrote."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from pydantic import SecretStr

from catalogue.target import TargetBucket
from migration.adapters import files_at_source, files_check, files_proof
from migration.adapters.database_freeze import wait_for_unit
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof
from migration.movers import bucket_check, files, files_claim, files_manifest, limits, throttle
from migration.movers.files_claim import COPYING, FOLLOWING, HANDED_OVER, FilesTurn
from migration.movers.files_index import Index
from migration.movers.files_job import FilesJob
from migration.movers.files_names import HANDED_OVER as MARKER
from migration.movers.files_names import MANIFEST
from migration.movers.files_store import Store
from migration.ports import Clock, Cluster, OnProgress, Playbooks, Remote, Units

_BULK_SECONDS_MAX: Final = 24 * 3_600.0
Transport = Callable[[str], list[str]]


class RsyncRemote(Remote, Protocol):
    """A remote that also tells how it reaches a host, because rsync speaks its own protocol."""

    def transport(self, host: str) -> list[str]: ...


class BucketMove:
    """The port `FilesMove` for files on a host that become objects in a bucket."""

    def __init__(
        self,
        context: SystemContext,
        *,
        cluster: Cluster,
        remote: RsyncRemote,
        units: Units,
        clock: Clock,
        playbooks: Playbooks | None = None,
    ) -> None:
        self._context, self._cluster, self._remote = context, cluster, remote
        self._units, self._clock = units, clock
        self._system = context.system.id

    # Jobs

    @cached_property
    def _jobs(self) -> list[FilesJob]:
        """One job a set; read once, as the freeze has no time to read secrets again."""
        return [self._job(bucket) for bucket in self._context.contract.buckets]

    def _job(self, bucket: TargetBucket) -> FilesJob:
        facts = self._context.facts.files[bucket.name]
        keys = self._cluster.read_secret(bucket.secret.namespace, bucket.secret.name)
        return FilesJob(
            system=self._system,
            name=bucket.name,
            token=self._context.token(),
            source=facts.path,
            left_behind=list(self._context.system.source.files[bucket.name].left_behind),
            reach=self._remote.transport(facts.host),
            staging=self._staging(bucket.name),
            limit_file=self._context.state_folder / throttle.FILE,
            source_limits_file=self._context.state_folder / limits.FILE,
            endpoint=bucket.endpoint,
            region=bucket.region,
            bucket=bucket.bucket,
            access_key=keys["access_key"],
            secret_key=SecretStr(keys["secret_key"]),
        )

    def _ordered(self) -> list[FilesJob]:
        """Return the jobs under the token of the turn under way: whatever writes takes these."""
        token = self._context.token()
        return [job.model_copy(update={"token": token}) for job in self._jobs]

    def _staging(self, name: str) -> Path:
        return self._context.state_folder / "files" / name

    def _unit(self, job: FilesJob) -> str:
        return f"{self._system}-files-{job.name}"

    # Checks

    def check(self) -> Sequence[Finding]:
        return files_check.findings(self._context, lambda: self._jobs, self._staging)

    # Prepare

    def prepare(self) -> Facts:
        facts: dict[str, Json] = {}
        for job in self._jobs:
            trust = files_check.probe(job)
            bucket_check.assert_trusted(job.opened, trust)
            job.tree.mkdir(mode=0o700, parents=True, exist_ok=True)
            Index(job.staging)
            facts[job.name] = {"refuses_wrong_md5": True, "refuses_wrong_sha256": trust.refuses_wrong_sha256}
        return facts

    def prepared(self) -> Probe:
        if all(job.tree.is_dir() for job in self._jobs):
            return Probe(ProbeState.DONE, f"staging folders of {len(self._jobs)} sets are there")
        return Probe(ProbeState.NOT_DONE, "a staging folder is missing")

    def unprepare(self) -> None:
        for job in self._jobs:
            shutil.rmtree(job.staging, ignore_errors=True)

    # Replicate

    def replicate(self, on_progress: OnProgress) -> Facts:
        facts: dict[str, Json] = {}
        for job in self._ordered():
            argv = [sys.executable, "-m", "migration.movers.files", "--job", "-"]
            self._units.start(self._unit(job), argv, secrets={"job": job.as_json()}, token=job.token)
            result = wait_for_unit(
                self._units, self._unit(job), self._clock, on_progress, seconds_max=_BULK_SECONDS_MAX
            )
            facts[job.name] = dict(result)
        return facts

    def replicated(self) -> Probe:
        for job in self._jobs:
            phase = Index(job.staging).fact("phase") if job.staging.is_dir() else None
            if phase is None or self._units.status(self._unit(job)).state == "running":
                return Probe(ProbeState.NOT_DONE, f"{job.name} is not carried")
        return Probe(ProbeState.DONE, f"{len(self._jobs)} sets are carried")

    def unreplicate(self) -> None:
        for job in self._ordered():
            self._units.stop(self._unit(job))
            if not job.staging.is_dir():
                continue
            with self._alone(job) as (index, turn):
                store, ours = Store(job), [entry.key for entry in index.entries().values()]
                for key in (*ours, MANIFEST, MARKER):
                    turn.assert_ours()
                    store.delete([key])
                if left := {one.key for one in store.list()} & set(ours):
                    raise _not_deleted(job, left)
                turn.leave()
            shutil.rmtree(job.staging)

    # Freeze

    def converge(self) -> Facts:
        facts: dict[str, Json] = {}
        for job in self._ordered():
            with self._alone(job) as (index, turn):
                facts[job.name] = files.carry(job, turn, frozen=False).facts()
                # The whole bucket is listed now, before anyone waits; under the freeze only what is touched from here
                # on is asked for again. After the release every object is read.
                if files_proof.bucket_as_indexed(job):
                    index.set_fact("touched", "[]")
                    index.set_fact("listed_at", str(self._clock.now()))
        return facts

    def hand_over(self) -> Facts:
        facts: dict[str, Json] = {}
        for job in self._ordered():
            if Index(job.staging).fact("phase") == HANDED_OVER:
                # Somebody died between the last two lines below: the index said it, and the claim did not yet.
                if files_claim.phase(job) in (COPYING, FOLLOWING):
                    with files.only_one(job):
                        turn = FilesTurn(job)
                        turn.take()
                        turn.set_phase(HANDED_OVER)
                facts[job.name] = {"repeated": True}
                continue
            with self._alone(job) as (index, turn):
                facts[job.name] = files.carry_last(job, turn).facts()
                files_manifest.write(job)
                # Its time at the store says afterwards which objects the target wrote itself.
                Store(job).put_bytes(MARKER, b"")
                index.set_fact("phase", HANDED_OVER)
                turn.set_phase(HANDED_OVER)
        return facts

    @contextmanager
    def _alone(self, job: FilesJob) -> Iterator[tuple[Index, FilesTurn]]:
        """Hold the staging folder and the bucket; raises `StepFailed` when they are another's, or handed over."""
        with files.only_one(job):
            index, turn = Index(job.staging), FilesTurn(job)
            if index.fact("phase") == HANDED_OVER:
                raise files_claim.handed_over(job)
            turn.take()
            yield index, turn

    def handed_over(self) -> Probe:
        for job in self._jobs:
            if not job.staging.is_dir() or Index(job.staging).fact("phase") != HANDED_OVER:
                return Probe(ProbeState.NOT_DONE, f"{job.name} had no last pass under the freeze")
            if Store(job).head(MARKER) is None or files_claim.phase(job) not in (None, HANDED_OVER):
                return Probe(ProbeState.NOT_DONE, f"the bucket of {job.name} does not say so")
            if odd := files_at_source.changed(job):
                return Probe(ProbeState.NOT_DONE, f"{len(odd)} files of {job.name} changed after the last pass")
        return Probe(ProbeState.DONE, "the last pass was made, the bucket says so, nothing changed at the source since")

    def take_back(self) -> None:
        for job in self._ordered():
            if not job.staging.is_dir() or Index(job.staging).fact("phase") != HANDED_OVER:
                continue
            with files.only_one(job):
                FilesTurn(job).take(reopen=True)
                Store(job).delete([MARKER])
                Index(job.staging).set_fact("phase", FOLLOWING)
                Index(job.staging).set_fact("seen_at_target", None)

    # Proofs

    def prove(self, *, frozen: bool, full: bool) -> Sequence[Proof]:
        return [files_proof.prove(self._jobs, frozen=frozen, full=full, now=self._clock.now())]


def _not_deleted(job: FilesJob, left: set[str]) -> StepFailed:
    return StepFailed(
        "objects-not-deleted",
        what=f"{len(left)} objects of ours are still in {job.bucket}",
        why=f"the store lists them after they were deleted, such as {min(left)}",
        state="the source serves; the staging folder is kept",
        next="dcshift rollback again",
    )
