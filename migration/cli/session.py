"""Which workspace the verbs of this process work on: the environment's, unless the caller of `command` brings one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration.wiring import Workspace


@dataclass(slots=True)
class Session:
    """Opened once a verb needs it: reading the environment imports half of the program."""

    opener: Callable[[], Workspace] | None = None

    def workspace(self) -> Workspace:
        """Return the workspace."""
        if self.opener is not None:
            return self.opener()
        from migration.wiring import Workspace

        return Workspace.from_environment()


SESSION = Session()
