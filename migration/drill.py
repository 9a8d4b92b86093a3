"""Restores a backup for a trial and says what a loss of the site would cost: hours, last work, and whether it is equal.

The restored database is a scratch one that nobody reaches; the living one is only read, and its writers wait for one
lock, once, for a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from migration.errors import StepFailed
from migration.ports import Clock

Totals = Mapping[str, tuple[int, int]]
"""Rows and sum of row hashes, by table."""
_LOOK_SECONDS: Final = 2.0
_DIFFERENCES_MAX: Final = 20


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


class Room(Protocol):
    """Where backups are looked up, made and restored."""

    def newest_backup(self) -> Base | None: ...

    def back_up(self) -> Base:
        """Make a backup now, and wait for its end."""

    def restore(self, base: Base, instant: Instant) -> None:
        """Order a scratch database, restored from this backup and the log up to this instant."""

    def restored(self) -> tuple[bool, str]:
        """Return whether it answers, and what it is doing."""

    def clear(self) -> Sequence[str]:
        """Remove the scratch database and wait until it is gone; return volumes that stay by their class's rule."""


class Databases(Protocol):
    """The living database, and the restored one."""

    def instant(self) -> Instant: ...

    def archived(self, instant: Instant) -> bool:
        """Return whether the log up to the instant is in the archive; hurries it there."""

    def restored_totals(self) -> Totals: ...


def drill(
    system: str,
    room: Room,
    databases: Databases,
    clock: Clock,
    say: Callable[[str], None],
    *,
    seconds_max: float,
) -> Drilled:
    """Run one drill; the scratch database is removed however it ends. Raises `StepFailed`."""
    room.clear()  # of a drill that was killed
    base = room.newest_backup()
    if base is None:
        say("there is no backup yet: making one")
        base = room.back_up()
    instant = databases.instant()
    say(f"noted {len(instant.totals)} tables at {instant.lsn}; waiting for the archive")
    archived_seconds = _wait(clock, lambda: (databases.archived(instant), "archiving"), seconds_max, _not_archived)
    try:
        say(f"restoring backup {base.name}")
        room.restore(base, instant)
        restored_seconds = _wait(clock, room.restored, seconds_max, _not_restored, say)
        say("comparing every row")
        began = clock.monotonic()
        differences = tuple(_differences(instant.totals, databases.restored_totals()))
        compared_seconds = clock.monotonic() - began
    finally:
        say("removing the scratch database")
        for volume in room.clear():
            say(f"volume {volume} is kept by its storage class, with the data: let its administrator wipe it")
    return Drilled(system, base, instant, archived_seconds, restored_seconds, compared_seconds, differences)


def _differences(living: Totals, restored: Totals) -> list[str]:
    found = [f"table {name}: missing in the backup" for name in sorted(living.keys() - restored.keys())]
    found += [f"table {name}: only in the backup" for name in sorted(restored.keys() - living.keys())]
    for name in sorted(living.keys() & restored.keys()):
        (rows, digest), (rows_back, digest_back) = living[name], restored[name]
        if rows != rows_back:
            found.append(f"table {name}: {rows:,} rows, {rows_back:,} in the backup")
        elif digest != digest_back:
            found.append(f"table {name}: as many rows, other content")
    return found[:_DIFFERENCES_MAX]


def _wait(
    clock: Clock,
    look: Callable[[], tuple[bool, str]],
    seconds_max: float,
    failed: Callable[[float, str], StepFailed],
    say: Callable[[str], None] = lambda _: None,
) -> float:
    """Wait until `look` says so; return the seconds it took."""
    began, last = clock.monotonic(), ""
    while True:
        done, doing = look()
        waited = clock.monotonic() - began
        if done:
            return waited
        if waited > seconds_max:
            raise failed(seconds_max, doing)
        if doing != last:
            say(f"{doing} ({waited:.0f} s)")
            last = doing
        clock.sleep(_LOOK_SECONDS)


def _not_archived(seconds_max: float, _: str) -> StepFailed:
    return StepFailed(
        "log-not-archived",
        what="the database's log does not reach the archive",
        why=f"after {seconds_max:.0f} s the segment of our moment was not there",
        state="nothing was restored; the database serves, and its volume fills with the log it keeps",
        next="look at condition ContinuousArchiving of the Cluster, at the bucket and at its keys",
    )


def _not_restored(seconds_max: float, doing: str) -> StepFailed:
    return StepFailed(
        "backup-not-restored",
        what="the backup did not become a database",
        why=f"after {seconds_max:.0f} s it was still: {doing}",
        state="the living database was only read; the scratch one is removed",
        next="raise --seconds-max if the database is large; else look at the operator's log and try again",
    )
