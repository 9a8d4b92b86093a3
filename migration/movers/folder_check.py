"""What speaks against carrying a tree into a folder; it tries the folder with files of its own and carries nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from migration.errors import StepFailed
from migration.model.words import Finding, Severity
from migration.movers import (
    files_attributes,
    files_described,
    files_listing,
    folder_claim,
    folder_copy,
    folder_pass,
    folder_probe,
    room,
)
from migration.movers.files_index import Index
from migration.movers.files_listing import Seen, is_left_behind
from migration.movers.files_names import shown
from migration.movers.folder_compare import EXTRA, differences, groups
from migration.movers.folder_job import NOT_OF_THE_TREE, FolderJob
from migration.movers.folder_listing import tree_only, walk
from migration.movers.folder_probe import Kept

_NAMED_MAX = 5


def findings(job: FolderJob, index: Index) -> list[Finding]:
    """Return what is found, blockers first."""
    found = [*_of_folder(job)]
    if not any(one.severity is Severity.BLOCKER for one in found):
        found += _of_both(job, index)
    return sorted(found, key=lambda one: list(Severity).index(one.severity), reverse=True)


def _of_folder(job: FolderJob) -> Iterator[Finding]:
    where = str(job.folder)
    try:
        mark = folder_claim.assert_usable(job)
    except StepFailed as refused:
        yield Finding(Severity.BLOCKER, refused.code, where, f"{refused.what}: {refused.why}", refused.next)
        return
    if mark is not None and mark.phase == folder_claim.HANDED_OVER:
        what = "the files were handed over; nothing is carried any more"
        yield Finding(Severity.BLOCKER, "files-handed-over", where, what, folder_claim.handed_over(job).next)
    if job.folder.stat().st_dev == Path("/").stat().st_dev:
        what = f"it lies on the file system of / with {room.left(job.folder)}: the volume may not be mounted"
        yield Finding(Severity.WARNING, "target-not-mounted", where, what, f"findmnt --target {where}")


def _of_both(job: FolderJob, index: Index) -> Iterator[Finding]:
    where = f"{job.reach[-1]}:{job.source}" if job.reach else job.source
    try:
        listed = files_listing.look(job, frozen=False, top=True)
    except StepFailed as failure:
        yield Finding(Severity.BLOCKER, "source-not-listed", where, f"{failure.what}: {failure.why}", failure.next)
        return
    source = tree_only(listed)
    yield from _of_source(job, where, listed, source)
    described = files_described.with_attributes(job, index, source.described, index.described(), frozen=False)
    source.described.update(described)
    if why := files_attributes.unread(job):
        what = f"extended attributes and ACLs cannot be read, so none is compared: {why}"
        yield Finding(Severity.WARNING, "attributes-not-read", where, what, "see that python3 runs there under sudo")
    kept = _tried(job)
    if lost := list(folder_pass.not_kept(job, source, kept)):
        refused = folder_pass.keeps_less(job, lost)
        yield Finding(Severity.BLOCKER, refused.code, str(job.folder), f"{refused.what}: {refused.why}", refused.next)
    odd = differences(source, walk(job.folder), folder_probe.limited(kept, job.without))
    to_come = [one for one in odd.values() if one.what != (EXTRA,)]
    if why := folder_copy.without_room(job, source, to_come):
        what = f"{room.left(job.folder)}; {why}"
        yield Finding(Severity.BLOCKER, "target-full", str(job.folder), what, "make the volume larger")


def _of_source(job: FolderJob, where: str, listed: Seen, source: Seen) -> Iterator[Finding]:
    specials = folder_pass.specials(source)
    decided = sorted(shown(path) for path in specials if is_left_behind(job, path))
    if unknown := sorted(path for path in specials if not is_left_behind(job, path)):
        named = ", ".join(f"{shown(path)} ({specials[path]})" for path in unknown[:_NAMED_MAX])
        what = f"{len(unknown):,} sockets, FIFOs or devices are not carried: {named}"
        advice = "remove them at the source, or name them in the job's left_behind"
        yield Finding(Severity.BLOCKER, "special-files", where, what, advice)
    if decided:
        what = f"{len(decided):,} special files are left behind by decision: {', '.join(decided[:_NAMED_MAX])}"
        yield Finding(Severity.INFO, "left-behind", where, what, "nothing")
    if reserved := sorted(shown(path) for path in listed.described if path not in source.described):
        what = f"{len(reserved):,} entries are not carried, for their names are taken: {', '.join(reserved[:3])}"
        severity = Severity.INFO if reserved == ["lost+found"] else Severity.BLOCKER
        advice = f"give what is needed of {' and '.join(NOT_OF_THE_TREE)} another name at the source"
        yield Finding(severity, "reserved-names", where, what, advice)
    if shared := groups(source):
        what = f"{len(shared):,} names share their file with another one; they are carried by one rsync, as one file"
        yield Finding(Severity.INFO, "hard-links", where, what, "nothing")
    if other := sum(_has_more_names(source, path, len(shared.get(path, (path,)))) for path in source.same):
        what = f"{other:,} files have names outside of the folder, too: here they become files of their own"
        yield Finding(Severity.WARNING, "hard-links-outside", where, what, "see who writes by those other names")


def _has_more_names(source: Seen, path: bytes, names: int) -> bool:
    return source.described[path].links > names


def _tried(job: FolderJob) -> Kept:
    """Try what is kept, in our own folder there; one that is left of a check that was killed is as good as none."""
    was_there = job.ours.is_dir()
    job.ours.mkdir(mode=0o700, exist_ok=True)
    try:
        return folder_probe.kept(job)
    finally:
        if not was_there:
            job.ours.rmdir()
