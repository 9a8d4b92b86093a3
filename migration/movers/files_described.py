"""Records how the source describes all that lies in it: owner, links, attributes; it writes into our index alone."""

from __future__ import annotations

from typing import Final

from migration.errors import StepFailed
from migration.movers import files_attributes
from migration.movers.files_attributes import is_as_read
from migration.movers.files_index import Index
from migration.movers.files_listing import Described, Seen
from migration.movers.tree_job import TreeJob

UNREAD: Final = "attributes_unread"
"""The fact that says why attributes cannot be read."""
RECORDED: Final = "described"


def record(job: TreeJob, index: Index, seen: Seen, *, frozen: bool) -> dict[bytes, Described]:
    """Record what was listed, with attributes, and return it with them.

    Where they cannot be read, the index says why, and the rest is recorded without them. Whether they can be read is
    found out before the freeze: in it, raises `StepFailed` when they could be before.
    """
    before = index.described()
    now = with_attributes(job, index, seen.described, before, frozen=frozen)
    index.describe(
        put={path: one for path, one in now.items() if before.get(path) != one}, drop=before.keys() - now.keys()
    )
    index.set_fact(RECORDED, "yes")
    return now


def with_attributes(
    job: TreeJob, index: Index, seen: dict[bytes, Described], before: dict[bytes, Described], *, frozen: bool
) -> dict[bytes, Described]:
    """Return what was seen with its attributes: those that were read before, or read now where the file has changed."""
    kept = {path: before[path] for path, one in seen.items() if is_as_read(before.get(path), one)}
    fresh = {path: one for path, one in seen.items() if path not in kept}
    if frozen and index.fact(UNREAD) is not None:
        return seen
    try:
        fresh = files_attributes.read(job, fresh)
        why = None
    except StepFailed as failure:
        if frozen:
            raise
        why = failure.why.splitlines()[-1]
    if not frozen:
        index.set_fact(UNREAD, why)
    return {path: kept.get(path) or fresh[path] for path in seen}
