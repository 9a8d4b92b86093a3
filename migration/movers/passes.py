"""Passes over a tree, whatever the target is: what one did, and how many are made before the freeze."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migration.model.words import Json
from migration.movers import convergence
from migration.movers.convergence import Forecast
from migration.movers.spread import memory_bytes_most
from migration.movers.tree_job import TreeJob


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did."""

    files: int
    carried: int
    carried_bytes: int
    deleted: int
    others: tuple[str, ...]
    """What lies in the tree, cannot lie in the target, and was left behind by decision: named, never silently left."""
    seconds: float
    next: Forecast | None = None
    """What the pass after it will do; nothing is foreseen after the last one."""

    @property
    def touched(self) -> int:
        return self.carried + self.deleted

    def facts(self) -> dict[str, Json]:
        """Return its figures as they are told of a single pass."""
        return {
            "files": self.files,
            "carried": self.carried,
            "carried_bytes": self.carried_bytes,
            "deleted": self.deleted,
            "not_files": list(self.others[:20]),
            "seconds": self.seconds,
            **(self.next.facts() if self.next else {}),
        }


def until_small(job: TreeJob, carry: Callable[[], Pass]) -> list[Pass]:
    """Make passes until one is small, or the next would be no smaller, or there were as many as may be."""
    made: list[Pass] = []
    for _ in range(job.passes_max):
        made.append(carry())
        if convergence.is_enough(len(made), made[-1].touched, job.small_pass_files, made[-1].next):
            break
    return made


def facts(job: TreeJob, made: list[Pass], seconds: float) -> dict[str, Json]:
    """Return the figures of all passes together."""
    last = made[-1]
    return {
        "passes": len(made),
        "files": last.files,
        "carried": sum(one.carried for one in made),
        "carried_bytes": sum(one.carried_bytes for one in made),
        "last_pass_files": last.carried,
        "last_pass_seconds": last.seconds,
        "converged": last.touched <= job.small_pass_files,
        **(last.next.facts() if last.next else {}),
        "not_files": list(last.others[:20]),
        "memory_bytes_most": memory_bytes_most(),
        "seconds": round(seconds, 1),
    }
