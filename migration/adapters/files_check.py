"""What speaks against moving the files of a system: their kinds, room for staging, what the store really checks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from catalogue.system import seconds
from migration.adapters import files_findings
from migration.errors import MigrationError
from migration.model.context import SystemContext
from migration.model.words import Finding, Severity
from migration.movers import bucket_check, convergence, files_attributes, s3
from migration.movers.files_index import Index
from migration.movers.files_job import FilesJob
from migration.movers.files_names import RESERVED, path_of
from migration.movers.files_store import Store

_SPACE_FACTOR: Final = 1.1
_PROBE: Final = f"{RESERVED}probe"


def findings(
    context: SystemContext, jobs: Callable[[], Iterable[FilesJob]], staging: Callable[[str], Path]
) -> Sequence[Finding]:
    """Return what the survey, this machine's disk and each bucket say; `jobs` reads secrets and may fail."""
    found = list(_of_sets(context, staging))
    read_only_seconds = seconds(context.system.objectives.read_only_max)
    try:
        for job in jobs():
            found += [*_of_attributes(job), *of_forecast(job, read_only_seconds), *_of_store(job)]
    except (MigrationError, KeyError) as failure:
        what = f"the bucket could not be looked at: {failure.args[0] if failure.args else failure}"
        advice = "pulumi up, then dcshift check"
        found.append(Finding(Severity.BLOCKER, "bucket-not-read", context.system.id, what, advice))
    return found


def _of_sets(context: SystemContext, staging: Callable[[str], Path]) -> Iterator[Finding]:
    folder = context.state_folder
    for name, facts in context.facts.files.items():
        yield from files_findings.from_survey(name, facts, context.system.source.files[name].left_behind)
        free, needed = shutil.disk_usage(folder).free, int(facts.size_bytes * _SPACE_FACTOR)
        if free < needed and not staging(name).exists():
            where, what = f"{facts.host}:{facts.path}", f"staging needs {needed:,} bytes in {folder}, {free:,} are free"
            yield Finding(Severity.BLOCKER, "staging-space", where, what, "make room, or move DCSHIFT_STATE")


def _of_attributes(job: FilesJob) -> Iterator[Finding]:
    where = f"{job.reach[-1]}:{job.source}" if job.reach else job.source
    if why := files_attributes.unread(job):
        what = f"extended attributes and ACLs cannot be read, so none is kept or compared: {why}"
        advice = "see that python3 runs there under sudo, if the application needs them; owners and modes are kept"
        yield Finding(Severity.WARNING, "attributes-not-read", where, what, advice)
    if job.staging.is_dir() and (count := Index(job.staging).count_with_attributes()):
        what = (
            f"{count:,} files or folders have extended attributes or ACLs: the manifest keeps them, objects have none"
        )
        advice = "nothing, unless the application reads them"
        yield Finding(Severity.INFO, "attributes-in-manifest", where, what, advice)


def of_forecast(job: FilesJob, read_only_seconds: int) -> Iterator[Finding]:
    """Yield what the last pass will carry and how long it takes, where passes were made; too long is a warning."""
    foreseen = convergence.foreseen(Index(job.staging)) if job.staging.is_dir() else None
    if foreseen is None:
        return
    at = datetime.fromtimestamp(foreseen.asked, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = (
        f"the last pass under the freeze will carry or remove about {foreseen.touched:,} files with "
        f"{foreseen.bytes:,} bytes in {foreseen.seconds:,.1f} s, by the pass of {at}"
    )
    severity, advice = Severity.INFO, "nothing"
    if foreseen.seconds > read_only_seconds:
        severity, advice = Severity.WARNING, "freeze when less is written, or raise objectives.read_only_max"
        what += f"; the system may be read-only for {read_only_seconds:,} s"
    yield Finding(severity, "files-last-pass", job.source, what, advice)


def probe(job: FilesJob) -> s3.Trust:
    """Try what the job's bucket accepts and refuses, with an object of ours that is removed again."""
    return s3.probe(job.opened, _PROBE)


def _of_store(job: FilesJob) -> list[Finding]:
    where = f"{job.endpoint}/{job.bucket}"
    trust = probe(job)
    found = list(bucket_check.of_trust(where, trust))
    if trust.writable and (not job.staging.is_dir() or not Index(job.staging).entries()):
        others = (one.key for one in Store(job).list() if path_of(one.key) is not None)
        found += bucket_check.of_others(where, others)
    return found
