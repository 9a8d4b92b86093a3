"""A mover's turn at a bucket of files: a claim in the bucket, and a number on this machine that outlives the claim.

The way back takes the claim away with everything else of ours. A mover of an earlier turn that wakes up afterwards
would find an empty bucket and nothing that forbids to fill it; the number beside the staging folder does.
"""

from __future__ import annotations

from pathlib import Path

from migration.errors import StepFailed
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
        self._number = job.staging.with_name(f"{job.staging.name}.turn")

    def take(self, *, reopen: bool = False) -> Claim:
        """Claim the bucket for our turn; raises as `Turn.take` does, and `turn-over` outside of any turn."""
        highest, ours = _number(self._number), self._holder
        if ours.token < max(highest, 1):
            raise turn_over(
                ours, f"turn {ours.token} is over: turn {highest} has begun" if highest else "no turn began"
            )
        claim = super().take(reopen=reopen)
        if ours.token > highest:
            written = self._number.with_name(f"{self._number.name}.new")
            written.write_text(str(ours.token))
            written.replace(self._number)
        return claim


def _number(file: Path) -> int:
    return int(file.read_text()) if file.exists() else 0


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
