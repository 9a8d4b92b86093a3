"""The outside world as the engine sees it: Protocols only, no code that acts."""

from migration.ports.moves import DatabaseMove, FilesMove, JobsMove, Moves, OnProgress, TrafficMove, WebMove
from migration.ports.services import (
    Clock,
    Cluster,
    CronJobState,
    PlaybookResult,
    Playbooks,
    Remote,
    SetState,
    Units,
    UnitStatus,
)

__all__ = [
    "Clock",
    "Cluster",
    "CronJobState",
    "DatabaseMove",
    "FilesMove",
    "JobsMove",
    "Moves",
    "OnProgress",
    "PlaybookResult",
    "Playbooks",
    "Remote",
    "SetState",
    "TrafficMove",
    "UnitStatus",
    "Units",
    "WebMove",
]
