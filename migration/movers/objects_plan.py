"""Decides what becomes of one key, from what both buckets list and what we remember; it touches nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from migration.movers.files_names import RESERVED
from migration.movers.object_size import too_large

CLAIM: Final = f"{RESERVED}objects.json"
"""The claim of a target's bucket: whose copy it holds, in which turn, how far."""
PROBE: Final = f"{RESERVED}probe"
OURS: Final = frozenset((CLAIM, PROBE))
"""Keys that are the mover's own on both sides: a source may have been a target once. All others are data."""
_ODD = re.compile(r"[\x00-\x1f\x7f\\]")
_LOST: Final = "\ufffd"
"""What some stores list in the place of a control character: the object has another key than its list says."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as its store listed it; `modified` in whole seconds since 1970: answers to GET have no finer."""

    size: int
    etag: str
    modified: int


@dataclass(frozen=True, slots=True)
class Record:
    """What we remember of a key: how the source was when it was read, and the target's ETag of what was then written.

    All is None of an object that was never finished. `begun`: it was being written when we last looked, so that what
    lies at the target may be ours although no record says so.
    """

    source: Seen | None
    etag: str | None
    begun: bool


class Act(StrEnum):
    """What is to be done for one key."""

    NOTHING = "nothing"
    COPY = "copy"
    LOOK = "look"
    """Ours or somebody's: compare, and copy only where it is ours."""
    LOOK_OWN = "look-own"
    """It may be what a killed mover of ours wrote: compare, and copy it if it is not."""
    REFUSE = "refuse"
    """Somebody changed it at the target."""
    GONE = "gone"
    """The source's is gone, the target's is as we wrote it."""
    FOREIGN = "foreign"
    """Nothing of ours."""
    FORGET = "forget"


def act(source: Seen | None, target: Seen | None, record: Record | None, *, overwrite: bool = False) -> Act:
    """Decide what becomes of one key. Nothing that we did not write is replaced or removed unless `overwrite`."""
    begun = record is not None and record.begun
    ours = target is not None and record is not None and record.etag == target.etag
    if source is None:
        if target is None:
            return Act.FORGET
        return Act.GONE if ours or begun else Act.FOREIGN
    if ours and not begun and record is not None and record.source == source:
        return Act.NOTHING
    if target is None or (ours and not begun):
        return Act.COPY
    if begun or record is None:
        return Act.LOOK_OWN if begun else Act.LOOK
    return Act.COPY if overwrite else Act.REFUSE


class Verdict(StrEnum):
    """What two lists and our record say of one key; the words are those that name a difference."""

    EQUAL = "equal"
    UNPROVED = "content is not proved by lists"
    MISSING = "missing at the target"
    SIZE = "another size at the target"
    CONTENT = "other content at the target (by ETag)"
    GONE = "gone at the source, and still at the target"
    EXTRA = "only at the target"


def verdict(source: Seen | None, target: Seen | None, record: Record | None) -> Verdict:
    """Judge one key that at least one side has. Equal sizes prove nothing, and no ETag of an unknown part size does."""
    as_carried = record is not None and record.source == source and not record.begun
    same_tag = record is not None and target is not None and record.etag == target.etag
    if source is None:
        return Verdict.GONE if same_tag else Verdict.EXTRA
    if target is None:
        return Verdict.MISSING
    if target.size != source.size:
        return Verdict.SIZE
    if as_carried:
        return Verdict.EQUAL if same_tag else Verdict.CONTENT
    # Two MD5 that differ prove no difference: a store that encrypts shows other things in that form.
    return Verdict.EQUAL if is_whole_md5(source.etag) and source.etag == target.etag else Verdict.UNPROVED


def refusal(key: str, size: int, part_bytes: int) -> str | None:
    """Say why an object cannot be carried under its own key, or None when it can.

    A store or a client on the way would make another key of it, and so overwrite that other's object.
    """
    segments = key.removesuffix("/").split("/")
    rules = (
        (_ODD.search(key) is not None, "its key has a control character or a backslash"),
        (_LOST in key, "its key has a character that the store's list does not show"),
        (not all(segments), "its key has an empty segment"),
        (any(segment in (".", "..") for segment in segments), "its key has a segment of dots"),
        (key.endswith("/") and size > 0, "its key ends in a slash, and it has content"),
    )
    return next((why for is_so, why in rules if is_so), too_large(size, part_bytes))


def is_whole_md5(etag: str) -> bool:
    """Say whether an ETag has the form of the MD5 of an object that was sent whole."""
    return re.fullmatch(r"[0-9a-f]{32}", etag) is not None
