"""The claim of a bucket that is carried from another one; the source's address is part of it."""

from __future__ import annotations

from migration.errors import StepFailed
from migration.movers import bucket_claim
from migration.movers.bucket_claim import FOLLOWING, HANDED_OVER, Claim, Holder, Turn
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import CLAIM
from migration.movers.objects_store import ObjectStore

__all__ = ["FOLLOWING", "HANDED_OVER", "Turn", "read", "turn"]


def read(store: ObjectStore) -> Claim | None:
    """Return the claim of a bucket, or None when there is none. Raises `StepFailed` when it cannot be read."""
    return bucket_claim.read(store, CLAIM)


def turn(job: ObjectsJob) -> Turn:
    """Return the job's turn at its target."""
    holder = Holder(job.system, job.name, job.source.url, job.target, job.token, CLAIM)
    return Turn(holder, lambda: _handed_over(job))


def _handed_over(job: ObjectsJob) -> StepFailed:
    return StepFailed(
        "objects-handed-over",
        what=f"the objects of {job.system}/{job.name} are not carried any more",
        why="they were handed over: the bucket may hold what exists nowhere else",
        state="nothing was touched",
        next="run the mover with --do take-back, if the target was never used",
    )
