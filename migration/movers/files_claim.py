"""A mover's turn at a bucket of files: a claim in the bucket, and a number on this machine that outlives the claim."""

from __future__ import annotations

from migration.errors import StepFailed
from migration.movers import turn_number
from migration.movers.bucket_claim import COPYING, FOLLOWING, HANDED_OVER, Claim, Holder, Turn, read, turn_over
from migration.movers.files_job import FilesJob
from migration.movers.files_names import CLAIM
from migration.movers.objects_store import ObjectStore

__all__ = ["COPYING", "FOLLOWING", "HANDED_OVER", "FilesTurn", "phase"]


class FilesTurn(Turn):
    """One mover's hold on a bucket of files; whoever takes it holds the lock of the staging folder."""

    def __init__(self, job: FilesJob) -> None:
        # A tree may be reached by another path at the next pass and is the same tree: no path is part of the claim.
        holder = Holder(job.system, job.name, "a tree of files", job.opened, job.token, CLAIM)
        super().__init__(holder, lambda: handed_over(job))
        self._staging = job.staging

    def take(self, *, reopen: bool = False) -> Claim:
        """Claim the bucket for our turn; raises as `Turn.take` does, and `turn-over` outside of any turn."""
        if why := turn_number.why_over(self._staging, self._holder.token):
            raise turn_over(self._holder, why)
        claim = super().take(reopen=reopen)
        turn_number.note(self._staging, self._holder.token)
        return claim


def phase(job: FilesJob) -> str | None:
    """Return what the bucket's claim says of how far its copy is; None when it has no claim."""
    found = read(ObjectStore(job.opened, "target", part_bytes=job.part_bytes), CLAIM)
    return found.phase if found else None


def handed_over(job: FilesJob) -> StepFailed:
    """Return the error of files that are the target's own by now."""
    return StepFailed(
        "files-handed-over",
        what=f"the files of {job.system}/{job.name} are not carried or removed any more",
        why="they were handed over: the bucket may hold what exists nowhere else",
        state="nothing was touched",
        next="dcshift status",
    )
