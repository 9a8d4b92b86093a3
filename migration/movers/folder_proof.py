"""Compares a tree with its folder: each entry in all that is carried of it, on demand every byte; it writes in none.

While the source is in use, what changed there after the last pass is that of the next one and no difference. After the
last pass, what changed in the folder was written by the target.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from migration.errors import MigrationError
from migration.model.words import Json, Proof
from migration.movers import files_described, folder_claim, folder_hashes, folder_manifest, lines
from migration.movers.files_index import Index
from migration.movers.files_listing import Described, Seen
from migration.movers.folder_claim import HANDED_OVER
from migration.movers.folder_compare import EXTRA, Difference, differences
from migration.movers.folder_job import FolderJob
from migration.movers.folder_listing import walk
from migration.movers.folder_pass import kept_as_recorded, left, look

_CLOCKS_NS: Final = 10 * 10**9
"""Two machines' clocks may differ so much; what changed this long before the pass must have been carried by it."""
_DIFFERENCES_MAX: Final = 1_000
_CONTENT: Final = "content"


def prove(job: FolderJob, index: Index, *, frozen: bool, full: bool) -> Proof:
    """Compare both sides; a comparison that could not be made is a failure."""
    began = time.monotonic()
    try:
        folder_claim.assert_usable(job)
        return _prove(job, index, began, frozen=frozen, full=full)
    except (MigrationError, OSError) as failure:
        why = failure.why if isinstance(failure, MigrationError) else str(failure)
        return Proof("files", False, "the comparison could not be made", {}, (why,))


def _prove(job: FolderJob, index: Index, began: float, *, frozen: bool, full: bool) -> Proof:
    source = look(job, index, frozen=frozen)
    target = walk(job.folder)
    odd = differences(source, target, kept_as_recorded(index))
    there: dict[bytes, str] = {}
    if full:
        there, contents = _of_contents(job, source, target)
        for path, what in contents.items():
            before = odd[path].what if path in odd else ()
            if before != (EXTRA,):
                odd[path] = Difference(path, "file", (*before, what))
    changed = {} if frozen else {path: one for path, one in odd.items() if not _is_settled(index, source, target, one)}
    written = _written_since(job, target, odd.keys() - changed.keys())
    real = [str(one) for path, one in sorted(odd.items()) if path not in changed and path not in written]
    size = sum(file.size for file in source.files.values())
    figures: dict[str, Json] = {
        "entries": len(source.described),
        "files": len(source.files),
        "bytes": size,
        "read_on_both_sides": len(there),
        "changed_meanwhile": len(changed),
        "written_since": len(written),
        "differences": len(real),
        "left_behind": list(left(source)[:20]),
        "without": list(job.without),
        "seconds": round(time.monotonic() - began, 1),
        "manifest": str(folder_manifest.write(job, source, there)),
    }
    how = "every byte read on both sides" if full else "names, sizes, times, modes, owners, links and attributes"
    sentence = f"{len(source.files):,} files with {size:,} bytes are equal ({how})"
    if unread := index.fact(files_described.UNREAD):
        figures["attributes_not_read"] = unread
        sentence += "; extended attributes could not be read"
    if real:
        sentence = f"{len(real):,} entries differ"
    return Proof("files", not real, sentence, figures, tuple(real[:_DIFFERENCES_MAX]))


def remember(job: FolderJob) -> None:
    """Note how the folder is when it is handed over, to know afterwards what was written there since."""
    handed, now = Index(job.staging / HANDED_OVER), walk(job.folder).described
    handed.describe(put=now, drop=handed.described().keys() - now.keys())


def written_since(job: FolderJob) -> list[bytes] | None:
    """Return what the target wrote, changed or removed since it was handed over; None where nobody remembers."""
    before = _handed_over(job)
    if before is None:
        return None
    now = walk(job.folder).described
    return sorted(path for path in before.keys() | now.keys() if not _is_same(before.get(path), now.get(path)))


def _handed_over(job: FolderJob) -> dict[bytes, Described] | None:
    place = job.staging / HANDED_OVER
    return (Index(place).described() or None) if place.is_dir() else None


def _is_same(before: Described | None, now: Described | None) -> bool:
    # Every change of an entry moves its ctime, and nobody can set that.
    return before is not None and now is not None and before.changed_ns == now.changed_ns


def _written_since(job: FolderJob, target: Seen, paths: Iterable[bytes]) -> set[bytes]:
    mark = folder_claim.read(job)
    before = _handed_over(job) if mark is not None and mark.phase == HANDED_OVER else None
    if before is None:
        return set()
    return {path for path in paths if not _is_same(before.get(path), target.described.get(path))}


def _is_settled(index: Index, source: Seen, target: Seen, one: Difference) -> bool:
    """Say whether the source's entry was as it is long enough before the last pass to have been carried by it."""
    began_ns = int(float(index.fact("pass_began") or 0) * 10**9)
    there = source.described.get(one.path)
    if there is None:  # it went: its folder changed then
        there = source.described.get(one.path.rpartition(b"/")[0])
    return there is not None and there.changed_ns < began_ns - _CLOCKS_NS


def _of_contents(job: FolderJob, source: Seen, target: Seen) -> tuple[dict[bytes, str], dict[bytes, str]]:
    """Hash both sides at once; return the source's hashes, and what differs by path."""
    both = [path for path in source.files if path in target.files]
    said = lines.Standing("comparing", len(both), sum(target.files[path].size for path in both))
    done = [0, 0]

    def on_done(size: int) -> None:
        done[0], done[1] = done[0] + 1, done[1] + size
        said.say(done[0], done[1])

    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(folder_hashes.of_source, job)
        here = folder_hashes.of_target(job, both, on_done)
        there = asked.result()
    found = {path: _CONTENT for path in both if path in there and here[path] != there[path]}
    found |= _unlisted(source.files, there)
    return there, found


def _unlisted(listed: Iterable[bytes], read: dict[bytes, str]) -> dict[bytes, str]:
    """Return files that only one of two programs saw at the source."""
    seen = set(listed)
    unread = dict.fromkeys(seen - read.keys(), "is listed by find and was not found by python3")
    return unread | dict.fromkeys(read.keys() - seen, "was read by python3 and is not listed by find")
