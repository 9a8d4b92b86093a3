"""Carries an object from bucket to bucket, hashing what passes; it believes no copy whose hash the target did not name.

An object that changes while it is read is read again. Content is never taken for equal because sizes are.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from obstore import Bytes

from migration.movers.bucket_store import PARTS_AT_ONCE, RANGE_BYTES, Changed, Digests, not_written
from migration.movers.objects_claim import Turn
from migration.movers.objects_index import Carried
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import Act, Seen, is_whole_md5
from migration.movers.objects_store import ObjectStore, Reading, TagsUnread
from migration.movers.spread import Budget, ahead

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one key."""

    key: str
    carried: Carried | None
    """None when the source's was gone, or when what lies at the target is somebody's."""
    sent: bool = False
    """False when it lay at the target already."""
    vanished: bool = False


class Copier:
    """Carries objects, in many threads."""

    def __init__(self, job: ObjectsJob, source: ObjectStore, target: ObjectStore, turn: Turn) -> None:
        self._job, self._source, self._target, self._turn = job, source, target, turn
        self._budget = Budget(job.memory_bytes_max)
        self._lock = threading.Lock()
        self.bytes_passed = 0
        self.changed_while_read = 0
        self.tags_unread: str | None = None
        """Why the source does not say which tags its objects have; from then on it is not asked."""

    def carry(self, key: str, act: Act, size: int) -> Outcome:
        """Do for one key what was decided; raises `StepFailed` when it cannot be read or written."""
        if act in (Act.LOOK, Act.LOOK_OWN):
            with self._budget.hold(RANGE_BYTES):
                equal = self._as_it_lies(key, own=act is Act.LOOK_OWN)
            if equal is not None:
                self._passed(size)
                return Outcome(key, equal)
            if act is Act.LOOK and not self._job.overwrite:
                return Outcome(key, None)
        for _ in range(_ATTEMPTS):
            with self._budget.hold(self._held(size)):
                reading = self._source.open(key, size)
                if reading is None:
                    self._passed(size)
                    return Outcome(key, None, vanished=True)
                if reading.seen.size <= size and (carried := self._copy(key, reading)) is not None:
                    return Outcome(key, carried, sent=True)
            size = reading.seen.size  # it may have grown: then it needs more memory than was asked for
            with self._lock:
                self.changed_while_read += 1
        raise self._source.not_read(key, f"it changed during every one of {_ATTEMPTS} readings")

    def _held(self, size: int) -> int:
        """Return the memory that carrying an object of this size takes: its pieces and their sum, or its parts."""
        part = self._job.part_bytes
        if size > part:
            return (PARTS_AT_ONCE + 1) * part + RANGE_BYTES
        return size if size <= RANGE_BYTES else 2 * size

    def _copy(self, key: str, reading: Reading) -> Carried | None:
        """Copy what is being read; None when the source changed meanwhile."""
        self._turn.assert_ours()
        seen, part, tags = reading.seen, None, self._tags(key)
        digests = Digests(self._job.part_bytes)
        try:
            if seen.size <= self._job.part_bytes:
                content = reading.whole()
                md5 = expected = hashlib.md5(content, usedforsecurity=False).hexdigest()
                etag = self._target.write(key, content, reading.attributes, tags)
            else:
                part = self._job.part_bytes
                etag = self._target.write(key, self._hashed(reading, digests), reading.attributes, tags)
                md5, expected = digests.md5, digests.etag_in_parts()
        except Changed:
            self._passed(-digests.bytes)
            return None
        if etag != expected:
            raise not_written(key, f"the store answered ETag {etag}, the bytes sent have {expected}")
        # Where the source's ETag is the MD5 of the bytes they are those of one moment. Else it is asked again.
        if seen.etag != md5 and self._source.seen(key) != seen:
            self._passed(-digests.bytes)
            return None
        self._passed(seen.size - digests.bytes)
        return Carried(key, seen, md5, etag, part)

    def _hashed(self, reading: Reading, digests: Digests) -> Iterator[Bytes]:
        # Read in a thread of its own: the client that writes cannot be asked to read while it waits for a piece.
        for piece in ahead(reading.pieces()):
            digests.update(piece)
            yield piece
            self._passed(len(piece))

    def _passed(self, count: int) -> None:
        with self._lock:
            self.bytes_passed += count

    def _tags(self, key: str) -> dict[str, str]:
        if self.tags_unread is not None:
            return {}
        try:
            return self._source.tags(key)
        except TagsUnread as why:
            self.tags_unread = str(why)
            return {}

    def _as_it_lies(self, key: str, *, own: bool) -> Carried | None:
        """Return the record of an object that lies at the target already as the source has it, else None.

        Of our own, two MD5 that differ are enough to copy it again; what is somebody's is compared by its content.
        """
        source, target = self._source.open(key, only_description=True), self._target.open(key, only_description=True)
        if source is None or target is None or source.seen.size != target.seen.size:
            return None
        if source.attributes != target.attributes or self._tags(key) != self._target_tags(key):
            return None
        here, there = source.seen.etag, target.seen.etag
        if is_whole_md5(here) and here == there:
            return Carried(key, source.seen, here, there, None)
        if own and is_whole_md5(here) and is_whole_md5(there):
            return None
        return self._same_content(key, source.seen, target.seen)

    def _target_tags(self, key: str) -> Mapping[str, str]:
        if self.tags_unread is not None:
            return {}
        try:
            return self._target.tags(key)
        except TagsUnread:
            return {}

    def _same_content(self, key: str, source: Seen, target: Seen) -> Carried | None:
        """Compare by the source's bytes: their MD5, or the ETag that they have in parts of our size."""
        digests = Digests(self._job.part_bytes)
        reading = self._source.open(key, source.size)
        if reading is None or reading.seen != source:
            return None
        try:
            for piece in reading.pieces():
                digests.update(piece)
        except Changed:
            return None
        if target.etag == digests.md5:
            part = None
        elif target.etag == digests.etag_in_parts():
            part = self._job.part_bytes
        else:
            return None
        if source.etag != digests.md5 and self._source.seen(key) != source:
            return None
        return Carried(key, source, digests.md5, target.etag, part)
