"""Carries one bucket into another, in passes until one is small: `python -m migration.movers.objects --job FILE`.

A pass may die at any moment: what was carried is found again by its record or its hash. Nothing is ever written at the
source, and no object at the target that was not carried by us is touched.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from pydantic import ValidationError

from migration.errors import MigrationError, StepFailed, UsageError
from migration.model.words import Finding, Json, Severity
from migration.movers import (
    bucket_check,
    bucket_listing,
    lines,
    locked,
    objects_check,
    objects_job,
    objects_proof,
    room,
    s3,
)
from migration.movers.job import Words
from migration.movers.objects_claim import FOLLOWING, HANDED_OVER, Turn
from migration.movers.objects_copy import Copier, Outcome
from migration.movers.objects_index import Carried, Index, Todo
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import OURS, PROBE, Act, act, refusal
from migration.movers.objects_store import ObjectStore
from migration.movers.spread import memory_bytes_most, spread
from migration.movers.throttle import Throttle

_RECORD_EVERY = 200
_TO_CARRY = (Act.COPY, Act.LOOK, Act.LOOK_OWN)
_VERBS = {
    "move": "carry in passes until one is small (the default)",
    "check": "say what speaks against it; nothing is carried",
    "last": "make the last pass, when nobody writes at the source any more; afterwards nothing is carried again",
    "take-back": "allow to carry again after the last pass; what was written at the target since may be in the way",
    "verify": "compare names, sizes and hashes as both stores list them",
    "verify-full": "read every object on both sides and compare content, description and tags",
}


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="python -m migration.movers.objects", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    words.add_argument("--do", choices=_VERBS, default="move", help="; ".join(f"{v}: {t}" for v, t in _VERBS.items()))
    words.add_argument("--frozen", action="store_true", help="with verify: nobody writes at the source")
    job = None
    try:
        said = words.parse_args(argv)
        job = _read(said.job)
        with locked.only_one(job.staging, f"{job.system}/{job.name}"), closing(Index(job.staging)) as index:
            return _do(said.do, job, index, frozen=said.frozen)
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except (OSError, sqlite3.Error) as failure:
        if job is None or not room.is_full(failure):
            raise
        lines.error(room.missing(job.staging, doing=f"the move of {job.system}/{job.name}"))
        return 1


def _do(verb: str, job: ObjectsJob, index: Index, *, frozen: bool) -> int:
    if verb == "check":
        found = objects_check.findings(job, index)
        lines.result({"findings": [_said(one) for one in found]})
        return 3 if any(one.severity is Severity.BLOCKER for one in found) else 0
    if verb in ("verify", "verify-full"):
        proof = objects_proof.prove(job, index, frozen=frozen, full=verb == "verify-full")
        differences: list[Json] = list(proof.differences)
        figures = dict(proof.figures)
        figures["memory_bytes_most"] = memory_bytes_most()
        lines.result(
            {"passed": proof.passed, "sentence": proof.sentence, "figures": figures, "differences": differences}
        )
        return 0 if proof.passed else 1
    facts = {"move": replicate, "last": carry_last, "take-back": take_back}[verb](job, index)
    lines.result({**facts, "memory_bytes_most": memory_bytes_most()})
    return 0


def _said(one: Finding) -> Json:
    return {"severity": str(one.severity), "code": one.code, "where": one.where, "what": one.what, "next": one.next}


def _read(where: str) -> ObjectsJob:
    try:
        return objects_job.read(where)
    except (OSError, ValueError) as bad:
        # pydantic's message could repeat a key: name the fields only.
        fields = (
            [".".join(map(str, e["loc"])) for e in bad.errors()] if isinstance(bad, ValidationError) else [str(bad)]
        )
        raise UsageError(
            "bad-job",
            what="the job could not be read",
            why=f"wrong or missing: {', '.join(fields)}",
            state="nothing was touched",
            next="python -m migration.movers.objects --help",
        ) from None


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
    seconds: float = 0.0

    @property
    def touched(self) -> int:
        return self.carried + self.deleted

    def facts(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


def replicate(job: ObjectsJob, index: Index) -> dict[str, Json]:
    """Carry in passes until one is small; return the facts."""
    began = time.monotonic()
    at = _Target(job)
    at.turn.take()
    ended = _end_uploads(at.store, index)
    passes = []
    for _ in range(job.passes_max):
        passes.append(carry(job, index, at, Throttle(job.limit_file)))
        if passes[-1].touched <= job.small_pass_objects:
            break
    at.turn.set_phase(FOLLOWING)
    return {
        **passes[-1].facts(),
        "passes": len(passes),
        "converged": passes[-1].touched <= job.small_pass_objects,
        "carried": sum(one.carried for one in passes),
        "carried_bytes": sum(one.carried_bytes for one in passes),
        "deleted": sum(one.deleted for one in passes),
        "last_pass_objects": passes[-1].touched,
        "last_pass_seconds": passes[-1].seconds,
        "ended_uploads": ended,
        "seconds": round(time.monotonic() - began, 1),
    }


def carry_last(job: ObjectsJob, index: Index) -> dict[str, Json]:
    """Make the last pass, which nothing slows down, and hand the bucket over."""
    at = _Target(job)
    at.turn.take()
    done = carry(job, index, at, Throttle(None))
    # Asked anew: what was written at the source during this pass is in no list of it.
    proof = objects_proof.prove(job, index, frozen=True, full=False)
    if not proof.passed:
        raise StepFailed(
            "objects-not-equal",
            what=f"the last pass of {job.system}/{job.name} did not end with equal buckets",
            why=f"{proof.sentence}: {'; '.join(proof.differences[:5])}",
            state="nothing was handed over; the source serves as before",
            next="see that nobody writes at the source, then the same command again",
        )
    at.turn.set_phase(HANDED_OVER)
    return {**done.facts(), "proof": proof.sentence}


def take_back(job: ObjectsJob, index: Index) -> dict[str, Json]:
    """Allow to carry again after the last pass."""
    claim = _Target(job).turn.take(reopen=True)
    return {"phase": claim.phase, "remembered": index.remembered()}


class _Target:
    """The target and our turn at it. Raises `StepFailed` when it is another's, or its store cannot be trusted."""

    def __init__(self, job: ObjectsJob) -> None:
        self.store = ObjectStore(job.target, "target", part_bytes=job.part_bytes)
        self.turn = Turn(self.store, job)
        self.turn.assert_allowed()
        bucket_check.assert_trusted(job.target, s3.probe(job.target, PROBE))


def _end_uploads(target: ObjectStore, index: Index) -> Json:
    """Throw away the parts that a killed mover of ours left; return how many objects, or why it was not looked for."""
    try:
        ours = [(key, upload) for key, upload in target.unfinished() if index.is_begun(key)]
    except StepFailed as failure:
        return failure.why
    for key, upload in ours:
        target.end_upload(key, upload)
    return len(ours)


def carry(job: ObjectsJob, index: Index, at: _Target, throttle: Throttle) -> Pass:
    """Make one pass: list both sides, decide, carry, and record what was carried."""
    began, done = time.monotonic(), Pass()
    index.set_fact("pass_began", str(time.time()))
    lines.progress("listing both buckets", 0, None, "objects")
    done.objects, done.bytes = index.keep_listing("source", bucket_listing.listing(job.source))
    index.keep_listing("target", bucket_listing.listing(job.target))
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


def _carry_all(job: ObjectsJob, index: Index, at: _Target, throttle: Throttle, done: Pass) -> list[str]:
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


def _follow(job: ObjectsJob, index: Index, at: _Target, done: Pass) -> None:
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


def _vanished(job: ObjectsJob, remembered: int) -> StepFailed:
    return StepFailed(
        "source-objects-vanished",
        what=f"the source of {job.system}/{job.name} lists no object at all",
        why=f"{job.source.url} had {remembered:,} objects that were carried; another bucket there looks the same",
        state="nothing was removed from the target",
        next=f"look at {job.source.url}; if it is empty on purpose, there is nothing to move",
    )


if __name__ == "__main__":
    raise SystemExit(main())
