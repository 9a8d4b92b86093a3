"""Restores a backup for a trial and says what a loss of the site would cost: hours, last work, and whether it is equal.

The restored database is a scratch one that nobody reaches; the living one is only read, and its writers wait for one
lock, once, for a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from migration.errors import StepFailed
from migration.model.drilled import Drilled, Totals
from migration.ports import Clock
from migration.ports.drill import Databases, Room

UNUSABLE: Final = frozenset({"backup-failed", "log-not-archived", "backup-not-restored"})
"""Errors that say of the backup itself that it is not there or does not become a database. Others, such as a cluster
that does not answer, say nothing of it: that no drill was equal is told by the age of the last one."""
_LOOK_SECONDS: Final = 2.0
_DIFFERENCES_MAX: Final = 20


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
    if not any(rows for rows, _ in instant.totals.values()):
        raise _nothing_to_compare(system, len(instant.totals))
    say(f"noted {len(instant.totals)} tables at {instant.lsn}; waiting for the archive")
    archived_seconds = _wait(clock, lambda: (databases.archived(instant), "archiving"), seconds_max, _not_archived)
    try:
        say(f"restoring backup {base.name}")
        room.restore(base, instant)
        restored_seconds = _wait(clock, lambda: _answers(room, databases), seconds_max, _not_restored, say)
        say("comparing every row")
        began = clock.monotonic()
        differences = tuple(_differences(instant.totals, databases.restored_totals()))
        compared_seconds = clock.monotonic() - began
    except BaseException:
        try:
            _clear(room, say)
        except StepFailed as left:  # what ended the drill is what its error tells
            say(f"{left.what}: {left.why}; {left.state}; next: {left.next}")
        raise
    _clear(room, say)
    return Drilled(system, base, instant, archived_seconds, restored_seconds, compared_seconds, differences)


def _answers(room: Room, databases: Databases) -> tuple[bool, str]:
    ready, doing = room.restored()
    return (databases.answers(), "waiting until it lets us in") if ready else (False, doing)


def _clear(room: Room, say: Callable[[str], None]) -> None:
    say("removing the scratch database")
    for volume in room.clear():
        say(f"volume {volume} is kept by its storage class, with the data: let its administrator wipe it")


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


def _nothing_to_compare(system: str, tables: int) -> StepFailed:
    return StepFailed(
        "nothing-to-compare",
        what=f"the database of {system} holds nothing that a backup could be compared by",
        why=f"it has {tables} tables that the migration's role may read, and no row in them",
        state="nothing was restored; the database serves as before",
        next=f"move {system} first (dcshift run), or let its application write, then try again",
    )
