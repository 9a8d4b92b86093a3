"""Compares two buckets object by object and names what differs; a comparison that could not be made is a failure.

By lists: an object is equal when the source lists it as it was when we read it, and the target's ETag is that of the
bytes that we sent. In full: both sides are read and hashed (SHA-256), and their descriptions and tags compared; nothing
that was remembered counts, and what differs is carried anew by the next pass.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from migration.errors import MigrationError
from migration.model.words import Json, Proof
from migration.movers import bucket_listing, lines
from migration.movers.bucket_store import RANGE_BYTES, Changed
from migration.movers.objects_check import shown
from migration.movers.objects_index import Index, Todo
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import OURS, Seen, Verdict, refusal, verdict
from migration.movers.objects_store import ObjectStore, Reading, TagsUnread
from migration.movers.spread import Budget, spread
from migration.movers.throttle import Throttle

_DIFFERENCES_MAX: Final = 20
_RECORD_EVERY: Final = 100
_RESUMED_SECONDS_MAX: Final = 24 * 3600.0
"""What a proof that was broken off had read before is read again after this: a disk may have changed its mind."""
_CLOCKS_SECONDS: Final = 10.0
"""A store's clock may be off by some seconds."""
_READ: Final = "read"


@dataclass(slots=True)
class Compared:
    """What a comparison saw."""

    objects: int = 0
    bytes: int = 0
    by_list: int = 0
    """Equal as both stores list them."""
    read: int = 0
    """Equal by content, read on both sides."""
    resumed: int = 0
    """Of those read, by a proof before that was broken off; both sides list them as they were then."""
    kept: int = 0
    """Gone at the source and left at the target, because the job says so."""
    left_behind: int = 0
    changed_meanwhile: int = 0
    """Changed at the source since the last pass began: the next one carries them."""
    tags_unread: bool = False
    count: int = 0
    differences: list[str] = field(default_factory=list)
    """The first of them."""

    def differs(self, key: str, what: str) -> None:
        """Note one difference."""
        self.count += 1
        if len(self.differences) < _DIFFERENCES_MAX:
            self.differences.append(f"object {shown(key)}: {what}")


def prove(job: ObjectsJob, index: Index, *, frozen: bool, full: bool) -> Proof:
    """Compare both buckets, and say in one sentence what is equal.

    Unless the source is frozen, what changed there since it was carried is no difference: the next pass carries it.
    """
    seen = Compared()
    try:
        _compare(job, index, seen, frozen=frozen, full=full)
    except MigrationError as failure:
        # A check that could not run is a failure, never a silence.
        seen.count += 1
        seen.differences.insert(0, f"the comparison could not be made: {failure.what}: {failure.why}")
    figures: dict[str, Json] = {
        name: getattr(seen, name) for name in Compared.__slots__ if name not in ("count", "differences")
    }
    figures["differences"] = seen.count
    how = "content, description and tags read on both sides" if full else "names, sizes and hashes"
    sentence = f"{seen.by_list + seen.read:,} objects are equal ({how})"
    if seen.kept:
        sentence += f"; warning: {seen.kept:,} are gone at the source and were left at the target"
    if seen.tags_unread:
        sentence += "; warning: the source does not say which tags its objects have"
    if seen.count:
        sentence = f"{seen.count:,} objects differ"
    return Proof("objects", not seen.count, sentence, figures, tuple(seen.differences[:_DIFFERENCES_MAX]))


def _compare(job: ObjectsJob, index: Index, seen: Compared, *, frozen: bool, full: bool) -> None:
    lines.progress("listing both buckets", 0, None, "objects")
    seen.objects, seen.bytes = index.keep_listing("source", bucket_listing.listing(job.source))
    index.keep_listing("target", bucket_listing.listing(job.target))
    began = float(index.fact("proof_began") or 0)
    if not 0 <= time.time() - began < _RESUMED_SECONDS_MAX:
        index.forget_proved()
        index.set_fact("proof_began", str(time.time()))
    index.plan(_by_list(job, index, seen, frozen=frozen, full=full))
    _Reader(job, index, seen, frozen=frozen).read_all()
    # It came to its end: the next one begins anew.
    index.forget_proved()
    index.set_fact("proof_began", "0")


def _by_list(job: ObjectsJob, index: Index, seen: Compared, *, frozen: bool, full: bool) -> Iterator[Todo]:
    """Judge each key by what both sides list, and yield those that must be read."""
    last_pass = float(index.fact("pass_began") or "inf")
    for key, source, target, record in index.every_key():
        if key in OURS or (source is None and target is None):
            continue
        if source is not None and refusal(key, source.size, job.part_bytes) is not None:
            if job.is_left_behind(key):
                seen.left_behind += 1
            else:
                seen.differs(key, "cannot be carried under its key, and nobody decided to leave it")
            continue
        said = verdict(source, target, record)
        # What came after the last pass had begun may have been missed by it. A deletion has no time of its own.
        as_carried = record is not None and record.source == source and not record.begun
        recent = source is None or (not as_carried and source.modified > last_pass - _CLOCKS_SECONDS)
        if said is Verdict.GONE and job.deletions == "tell":
            seen.kept += 1
        elif recent and not frozen and said not in (Verdict.EQUAL, Verdict.EXTRA):
            seen.changed_meanwhile += 1
        elif said is Verdict.EQUAL and not full:
            seen.by_list += 1
        elif source is not None and target is not None and said in (Verdict.EQUAL, Verdict.UNPROVED):
            if index.proved(key, _mark(source), _mark(target)):
                seen.read, seen.resumed = seen.read + 1, seen.resumed + 1
            else:
                yield Todo(key, _READ, source.size)
        else:
            seen.differs(key, said)


def _mark(seen: Seen) -> str:
    return f"{seen.size} {seen.etag} {seen.modified}"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What reading one object on both sides gave."""

    key: str
    size: int
    what: str | None
    changed: bool = False
    marks: tuple[str, str] | None = None


class _Reader:
    """Reads objects on both sides, in many threads."""

    def __init__(self, job: ObjectsJob, index: Index, seen: Compared, *, frozen: bool) -> None:
        self._job, self._index, self._seen, self._frozen = job, index, seen, frozen
        throttle = Throttle(job.limit_file)
        self._source = ObjectStore(job.source, "source", throttle, part_bytes=job.part_bytes)
        self._target = ObjectStore(job.target, "target", throttle, part_bytes=job.part_bytes)
        self._budget = Budget(job.memory_bytes_max)

    def read_all(self) -> None:
        """Read what lists do not prove, and note what was proved, so that a proof that is killed goes on."""
        objects, size = self._index.todo_size(_READ)
        standing = lines.Standing("proving", objects, size)
        fresh: list[tuple[str, str, str]] = []
        done = passed = 0

        def take(one: _Answer) -> None:
            nonlocal done, passed
            done, passed = done + 1, passed + one.size
            if one.changed:
                self._seen.changed_meanwhile += 1
            elif one.what is not None:
                self._seen.differs(one.key, one.what)
                self._index.doubt(one.key)
            else:
                self._seen.read += 1
            if one.marks is not None:
                fresh.append((one.key, *one.marks))

        def record(*, at_once: bool = False) -> None:
            if standing.say(done, passed, at_once=at_once) or len(fresh) >= _RECORD_EVERY:
                self._index.keep_proved(fresh)
                fresh.clear()

        try:
            spread(
                self._index.todo(_READ),
                self._one,
                workers=self._job.workers,
                on_done=take,
                on_tick=record,
            )
        finally:
            record(at_once=True)

    def _one(self, todo: Todo) -> _Answer:
        key, size = todo.key, todo.size
        with self._budget.hold(min(size, RANGE_BYTES)):
            source, target = self._source.open(key, size), self._target.open(key, size)
            if source is None:
                # It was listed a moment ago: somebody deleted it since.
                return _Answer(key, size, "gone at the source while it was compared", changed=not self._frozen)
            if target is None:
                return _Answer(key, size, "missing at the target")
            try:
                what = self._difference(key, source, target)
            except Changed:
                return _Answer(key, size, "changed while it was compared", changed=not self._frozen)
        if what is None:
            return _Answer(key, size, None, marks=(_mark(source.seen), _mark(target.seen)))
        if not self._frozen and self._source.seen(key) != source.seen:
            return _Answer(key, size, what, changed=True)
        return _Answer(key, size, what)

    def _difference(self, key: str, source: Reading, target: Reading) -> str | None:
        if source.seen.size != target.seen.size or _sha256(source) != _sha256(target):
            return "content differs (read on both sides)"
        names = source.attributes.keys() | target.attributes.keys()
        other = sorted(name for name in names if source.attributes.get(name) != target.attributes.get(name))
        if other:
            return f"its description differs ({', '.join(other)})"
        try:
            tags = self._source.tags(key)
        except TagsUnread:
            self._seen.tags_unread = True
            return None
        try:
            return "its tags differ" if tags != self._target.tags(key) else None
        except TagsUnread as why:
            return f"its tags cannot be read at the target: {why}" if tags else None


def _sha256(reading: Reading) -> bytes:
    digest = hashlib.sha256()
    for piece in reading.pieces():
        digest.update(piece)
    return digest.digest()
