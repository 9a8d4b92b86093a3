"""What the old data centre runs: the two systems as their administrators once installed them; it installs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.paths import CHECKOUT


@dataclass(frozen=True, slots=True)
class System:
    """One information system as app1 runs it; `crontab` has (schedule, management command) pairs."""

    name: str
    port: int
    uid: int
    release: str
    crontab: tuple[tuple[str, str], ...]

    @property
    def application(self) -> Path:
        """Return the folder of its source code."""
        return CHECKOUT / "lab" / "apps" / self.name

    @property
    def uploads(self) -> str:
        """Return where files1 and app1 hold its uploads."""
        return f"/srv/{self.name}/uploads"

    @property
    def complete(self) -> bool:
        """Tell whether the application can be filled, and so be installed."""
        return any(self.application.glob("*/management/commands/fill.py"))


PORTAL: Final = System(
    name="portal",
    port=8000,
    uid=2001,
    release="5.2.8",
    crontab=(("* * * * *", "reconcile_payments"),),
)
FEEDBACK: Final = System(
    name="feedback",
    port=8001,
    uid=2002,
    release="1.0.0",
    crontab=(("*/5 * * * *", "escalate_tickets"),),
)
SYSTEMS: Final = (PORTAL, FEEDBACK)
