"""One pass of a mover of objects: list both sides, decide, carry, record; what became of each key is counted.

Nothing is begun before it is noted as begun, and nothing is noted as carried before the target has named its hash.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from migration.errors import StepFailed, UsageError
from migration.model.words import Json
from migration.movers import bucket_check, bucket_listing, convergence, lines, objects_check, s3
from migration.movers.convergence import Round
from migration.movers.objects_claim import turn
from migration.movers.objects_copy import Copier, Outcome
from migration.movers.objects_index import Carried, Index, Todo
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import CLAIM, OURS, PROBE, Act, act, refusal
from migration.movers.objects_store import ObjectStore
from migration.movers.spread import spread
from migration.movers.throttle import Throttle

_RECORD_EVERY = 200
_TO_CARRY = (Act.COPY, Act.LOOK, Act.LOOK_OWN)


@dataclass(slots=True)
class Pass:
    """What one pass did."""

    objects: int = 0
    bytes: int = 0
    """What the source listed."""
    carried: int = 0
    carried_bytes: int = 0
    kept: int = 0
    """Found at the target as the source has it, and not sent again."""
    deleted: int = 0
    gone: list[str] = field(default_factory=list)
    """Gone at the source, and left at the target because the job says so: the first of them."""
    gone_count: int = 0
    left_behind: int = 0
    """Cannot be carried, and people decided to leave them."""
    foreign: int = 0
    """Only at the target, and not ours."""
    changed_while_read: int = 0
    vanished: int = 0
    tags_unread: str | None = None
    listing_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def touched(self) -> int:
        return self.carried + self.deleted

    def facts(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


class Target:
    """The target and our turn at it. Raises `StepFailed` when it is another's, or its store cannot be trusted."""

    def __init__(self, job: ObjectsJob) -> None:
        self._job, self.store = job, ObjectStore(job.target, "target", part_bytes=job.part_bytes)
        if job.source.url == job.target.url:
            raise _same(job, "the job names it twice")
        self.turn = turn(job)
        self.turn.assert_allowed()
        bucket_check.assert_trusted(job.target, s3.probe(job.target, PROBE))

    def take(self) -> None:
        """Claim the target. Raises `StepFailed` when the source is the same bucket under another name."""
        claim = self.turn.take()
        there = ObjectStore(self._job.source, "source", part_bytes=self._job.part_bytes).seen(CLAIM)
        if there is not None and there.etag == claim.etag:
            self.store.delete([CLAIM])
            raise _same(self._job, "what was just written at the target is there at the source")


def carry(job: ObjectsJob, index: Index, at: Target, throttle: Throttle) -> Pass:
    """Make one pass: list both sides, decide, carry, and record what was carried."""
    began, since, done = time.monotonic(), time.time(), Pass()
    index.set_fact("pass_began", str(since))
    lines.progress("listing both buckets", 0, None, "objects")
    done.objects, done.bytes = index.keep_listing("source", bucket_listing.listing(job.source))
    index.keep_listing("target", bucket_listing.listing(job.target))
    done.listing_seconds = round(time.monotonic() - began, 3)
    if not done.objects and index.remembered():
        raise _vanished(job, index.remembered())
    objects_check.assert_keys(job, index)
    index.plan(_decided(job, index, done))
    refused = index.named(Act.REFUSE)
    index.begin(Act.COPY, Act.LOOK_OWN, *([Act.LOOK] if job.overwrite else []))
    refused += _carry_all(job, index, at, throttle, done)
    _follow(job, index, at, done)
    index.forget(Act.FORGET)
    done.seconds = round(time.monotonic() - began, 3)
    convergence.note(index, Round(since, done.listing_seconds, done.seconds, done.touched, done.carried_bytes))
    objects_check.assert_nobodys(job, refused)
    return done


def _decided(job: ObjectsJob, index: Index, done: Pass) -> Iterator[Todo]:
    for key, source, target, record in index.every_key():
        if key in OURS:
            continue
        if source is not None and refusal(key, source.size, job.part_bytes) is not None:
            done.left_behind += 1  # by decision: `assert_keys` has refused all others
            continue
        what = act(source, target, record, overwrite=job.overwrite)
        if what is Act.FOREIGN:
            done.foreign += 1
        elif what is not Act.NOTHING:
            yield Todo(key, what, source.size if source else 0)


def _carry_all(job: ObjectsJob, index: Index, at: Target, throttle: Throttle, done: Pass) -> list[str]:
    """Carry what was decided; return the first keys that hold what is not ours."""
    source = ObjectStore(job.source, "source", throttle, part_bytes=job.part_bytes)
    copier = Copier(job, source, at.store, at.turn)
    objects, size = index.todo_size(*_TO_CARRY)
    standing = lines.Standing("objects", objects, size)
    fresh: list[Carried] = []
    theirs: list[str] = []
    seen = 0

    def on_done(one: Outcome) -> None:
        nonlocal seen
        seen += 1
        if one.carried is not None:
            fresh.append(one.carried)
            done.carried += 1 if one.sent else 0
            done.kept += 0 if one.sent else 1
            done.carried_bytes += one.carried.source.size if one.sent else 0
        elif one.vanished:
            done.vanished += 1
        elif len(theirs) < 20:
            theirs.append(one.key)

    def record(*, at_once: bool = False) -> None:
        if standing.say(seen, copier.bytes_passed, at_once=at_once) or len(fresh) >= _RECORD_EVERY:
            index.change(put=fresh)
            fresh.clear()

    try:
        spread(
            index.todo(*_TO_CARRY),
            lambda one: copier.carry(one.key, Act(one.act), one.size),
            workers=job.workers,
            on_done=on_done,
            on_tick=record,
        )
    finally:
        record(at_once=True)
    done.changed_while_read, done.tags_unread = copier.changed_while_read, copier.tags_unread
    return theirs


def _follow(job: ObjectsJob, index: Index, at: Target, done: Pass) -> None:
    """Remove at the target what is gone at the source, or say that it is."""
    done.gone_count = index.todo_size(Act.GONE)[0]
    if job.deletions == "tell":
        done.gone = index.named(Act.GONE)
        return
    for todo in index.todo(Act.GONE):
        at.turn.assert_ours()
        at.store.remove([todo.key])
        index.change(drop=[todo.key])
        done.deleted += 1


def _same(job: ObjectsJob, why: str) -> UsageError:
    return UsageError(
        "same-bucket",
        what="source and target are one bucket",
        why=f"{job.source.url}, {job.target.url}: {why}",
        state="nothing was carried",
        next="name the bucket at the other store in the job",
    )


def _vanished(job: ObjectsJob, remembered: int) -> StepFailed:
    return StepFailed(
        "source-objects-vanished",
        what=f"the source of {job.system}/{job.name} lists no object at all",
        why=f"{job.source.url} had {remembered:,} objects that were carried; another bucket there looks the same",
        state="nothing was removed from the target",
        next=f"look at {job.source.url}; if it is empty on purpose, there is nothing to move",
    )
