"""What a restore drill restores, and what it measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Totals = Mapping[str, tuple[int, int]]
"""Rows and sum of row hashes, by table."""


@dataclass(frozen=True, slots=True)
class Base:
    """One completed backup."""

    name: str
    id: str
    """As the archive knows it."""
    ended_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Instant:
    """The living database at one moment at which nothing was being written."""

    lsn: str
    at: float
    totals: Totals
    archive_timeout_seconds: float
    """However little is written, the log is archived after this time."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill measured; durations in seconds."""

    system: str
    base: Base
    instant: Instant
    archived_seconds: float
    """From the instant until the log up to it was in the archive."""
    restored_seconds: float
    """From the order to restore until the database answered."""
    compared_seconds: float
    differences: tuple[str, ...]

    @property
    def rto_seconds(self) -> float:
        """How long it took until a database was there and known to be equal."""
        return self.restored_seconds + self.compared_seconds

    @property
    def rpo_seconds(self) -> float:
        """How much of the last work would be lost: what waits for the archive, and the time to bring it there."""
        return self.instant.archive_timeout_seconds + self.archived_seconds

    @property
    def rows(self) -> int:
        return sum(count for count, _ in self.instant.totals.values())
