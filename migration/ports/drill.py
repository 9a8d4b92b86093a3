"""What a restore drill needs of the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from migration.model.drilled import Base, Instant, Totals


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

    def answers(self) -> bool:
        """Return whether the restored database lets us in: its address may take longer than its pod."""

    def restored_totals(self) -> Totals: ...
