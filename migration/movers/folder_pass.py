"""Makes one pass of a tree into a folder: what differs is brought or removed, then read again; it reads the source."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Final

from migration.errors import StepFailed
from migration.movers import convergence, files_described, files_listing, folder_copy, programs
from migration.movers.files_index import Index
from migration.movers.files_listing import LINK, Seen, is_left_behind
from migration.movers.files_names import shown
from migration.movers.folder_claim import FolderTurn
from migration.movers.folder_compare import (
    ACLS,
    EXTRA,
    Difference,
    as_listed,
    attributes,
    differences,
    groups,
    is_carried,
)
from migration.movers.folder_copy import Copy
from migration.movers.folder_job import FolderJob
from migration.movers.folder_listing import TOP, tree_only, walk
from migration.movers.folder_probe import Kept, limited
from migration.movers.passes import Pass
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle

EVERYTHING: Final = Kept(*[True] * 7)
_KEPT: Final = "kept"


def carry(
    job: FolderJob,
    index: Index,
    turn: FolderTurn,
    found: Kept,
    *,
    frozen: bool,
    throttle: Throttle,
    sparing: Sparing | None = None,
) -> Pass:
    """Make one pass; `found` is what the target's file system keeps.

    Raises `StepFailed`: not-a-file, source-files-vanished, target-keeps-less, target-full, turn-over, file-not-carried,
    program-not-believed.
    """
    began, since = time.monotonic(), time.time()
    index.set_fact("pass_began", str(since))
    source = look(job, index, frozen=frozen)
    listing_seconds = round(time.monotonic() - began, 3)
    target = walk(job.folder)
    if target.files and not source.files:
        raise _vanished(job, len(target.files))
    if lost := list(not_kept(job, source, found)):
        raise keeps_less(job, lost)
    kept = limited(found, job.without)
    index.set_fact(_KEPT, json.dumps(asdict(kept)))
    odd = differences(source, target, kept)
    gone = {path for path, one in odd.items() if one.what == (EXTRA,)}
    wanted = [one for path, one in odd.items() if path not in gone]
    folder_copy.assert_room(job, source, wanted)
    if odd:
        copy = Copy(job, kept, turn, throttle, sparing, frozen)
        copy.remove(target, gone | _in_the_way(source, target, wanted))
        beside = {path.rpartition(b"/")[0] for path in gone} & source.described.keys()
        copy.bring(source, target, {one.path for one in wanted} | beside)
    _assert_landed(job, source, kept, gone, frozen=frozen)
    size = sum(source.files[one.path].size for one in wanted if one.path in source.files)
    seconds = round(time.monotonic() - began, 3)
    files = sum(one.path in source.files for one in wanted)
    made = convergence.Round(since, listing_seconds, seconds, files + len(gone), size)
    foreseen = None if frozen else convergence.note(index, made)
    return Pass(len(source.files), files, size, len(gone), left(source), seconds, foreseen)


def look(job: FolderJob, index: Index, *, frozen: bool) -> Seen:
    """Return what the source holds, with attributes. Raises `StepFailed`: not-a-file, program-not-believed."""
    listed = tree_only(files_listing.look(job, frozen=frozen, top=True))
    if TOP not in listed.described:
        raise programs.unbelieved("find", "it does not list the folder itself", doing=f"listing {job.source}")
    assert_decided(job, listed)
    read = files_described.record(job, index, listed, frozen=frozen)
    # As listed in all else: what is remembered of a change that was too new has no ctime to compare.
    described = {path: replace(one, attributes=read[path].attributes) for path, one in listed.described.items()}
    return replace(listed, described=described)


def kept_as_recorded(index: Index) -> Kept:
    """Return what the last pass found to be kept; all there is where nobody knows."""
    said = index.fact(_KEPT)
    return Kept(**json.loads(said)) if said else EVERYTHING


def specials(seen: Seen) -> dict[bytes, str]:
    """Return the kind of everything that no folder of ours holds: sockets, FIFOs, devices."""
    return {path: one.kind for path, one in seen.described.items() if not is_carried(one)}


def left(seen: Seen) -> tuple[str, ...]:
    """Return what is left behind by decision, as people read it."""
    return tuple(sorted(map(shown, specials(seen))))


def assert_decided(job: FolderJob, seen: Seen) -> None:
    """Raise `StepFailed` (not-a-file) for sockets, FIFOs or devices that nobody decided to leave behind."""
    others = specials(seen)
    if unknown := sorted(path for path in others if not is_left_behind(job, path)):
        raise StepFailed(
            "not-a-file",
            what=f"{len(unknown)} entries of {job.system}/{job.name} are not carried",
            why="their programs make them: " + ", ".join(f"{shown(path)} ({others[path]})" for path in unknown[:5]),
            state="nothing of this pass was carried; the source was only read and serves",
            next="remove them at the source, or name them in the job's left_behind",
        )


def not_kept(job: FolderJob, source: Seen, found: Kept) -> Iterator[str]:
    """Yield what the source has, the target's file system does not keep, and nobody decided to do without."""
    described = source.described
    us = (os.geteuid(), os.getegid())
    said = [attributes(one, EVERYTHING) for one in described.values() if one.attributes not in (None, "{}")]
    counts = {
        "owners": sum((one.owner, one.group) != us for one in described.values()),
        "acls": sum(any(name in ACLS for name in one) for one in said),
        "attributes": sum(any(name not in ACLS for name in one) for one in said),
        "hard-links": len(groups(source)),
        "links": sum(one.kind == LINK for one in described.values()),
        "times": len(described),
        "names": len(described),
    }
    for word in found.lacks:
        if counts[word] and word not in job.without:
            yield f"{word} (of {counts[word]:,} entries)"


def keeps_less(job: FolderJob, lost: list[str]) -> StepFailed:
    """Return the error of a file system that would lose what the files have."""
    return StepFailed(
        "target-keeps-less",
        what=f"the file system under {job.folder} does not keep what {job.system}/{job.name} has",
        why=f"tried there and not found again: {', '.join(lost)}",
        state="nothing was carried; the source was only read",
        next="mount a volume that keeps them, or name owners, acls, attributes or hard-links in the job's without",
    )


def _in_the_way(source: Seen, target: Seen, wanted: list[Difference]) -> set[bytes]:
    """Return what must go before another kind comes, and names that share a file here and do not at the source.

    rsync joins such names, and never parts them.
    """
    there, here = groups(source), groups(target, among=source.described)
    return {
        one.path
        for one in wanted
        if one.path in target.described
        and (
            target.described[one.path].kind != source.described[one.path].kind
            or not set(here.get(one.path, ())) <= set(there.get(one.path, ()))
        )
    }


def _assert_landed(job: FolderJob, source: Seen, kept: Kept, gone: set[bytes], *, frozen: bool) -> None:
    """Read the target again. While the source is in use, what changed there meanwhile is the next pass's work."""
    odd = differences(source, walk(job.folder), kept)
    odd = {path: one for path, one in odd.items() if one.what != (EXTRA,) or path in gone or frozen}
    if odd and not frozen:
        again = tree_only(files_listing.look(job, frozen=False, top=True))
        odd = {path: one for path, one in odd.items() if as_listed(path, source, again)}
    if not odd:
        return
    named = "; ".join(map(str, list(odd.values())[:3]))
    if not frozen:
        why = f"{len(odd)} entries are not as the source has them: {named}"
        raise programs.unbelieved("rsync", why, doing=f"carrying {job.system}/{job.name}")
    raise StepFailed(
        "file-not-carried",
        what=f"the last pass of {job.system}/{job.name} is not complete",
        why=f"{len(odd)} entries are not as the source lists them: {named}",
        state="nothing was handed over; the source is as it was",
        next="see that nobody writes at the source, then the same command again",
    )


def _vanished(job: FolderJob, count: int) -> StepFailed:
    return StepFailed(
        "source-files-vanished",
        what=f"the source of {job.system}/{job.name} lists no file at all",
        why=f"{job.folder} has {count:,} of an earlier pass; a folder that was unmounted at the source looks the same",
        state="nothing was removed",
        next=f"look at {job.source}; if it is empty on purpose, run the mover with --do remove",
    )
