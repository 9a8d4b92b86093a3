"""Says whether a database fits into what the catalogue gives it on the target; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from catalogue.system import Quantity, mebibytes
from migration.model.inventory import DatabaseFacts
from migration.model.words import Finding, Severity

_ROOM_FACTOR: Final = 1.5
"""What the log of the copy, sorting for indexes and the changes until the cutover need beside the database: a guess."""


def of_target(facts: DatabaseFacts, storage: Quantity, where: str) -> Iterator[Finding]:
    """Yield a finding where the volume is smaller than the database, or hardly larger."""
    volume_bytes = mebibytes(storage) * 2**20
    needed_bytes = int(facts.size_bytes * _ROOM_FACTOR)
    if volume_bytes >= needed_bytes:
        return
    what = f"the database has {facts.size_bytes:,} bytes, its copy needs about {needed_bytes:,}, and its volume on the "
    what += f"target has {volume_bytes:,} ({storage})"
    larger = "set database.storage in the catalogue, then pulumi up on the system's data layer"
    if volume_bytes < facts.size_bytes:
        next_step = f"{larger}; if it is smaller once VACUUM FULL was run at the source, survey and plan again"
        yield Finding(Severity.BLOCKER, "target-room", where, what, next_step)
    else:
        yield Finding(Severity.WARNING, "target-room", where, what, larger)
