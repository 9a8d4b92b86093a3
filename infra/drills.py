"""What restore drills measured, read where `dcshift drill` wrote it down in the cluster; it runs none."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from infra import naming
from infra.errors import InfraError
from infra.live import Live

Figures = dict[str, Any]
DAYS_MAX: Final = 35
"""A drill is due each month; one that is late by a few days is no news."""


def measured(live: Live, systems: Iterable[str], now: datetime.datetime) -> tuple[dict[str, Figures | None], list[str]]:
    """Return the figures of each system's last drill that was equal, and what people must be told; never raises.

    A system has None where no drill was, or none can be read: what a drill measured decides nothing here.
    """
    found: dict[str, Figures | None] = {}
    told = []
    for system in systems:
        try:
            found[system] = figures = _figures(live, system)
            told += [f"{system}: {sentence}" for sentence in _wanting(figures, now)]
        except InfraError as unread:
            found[system] = None
            told.append(f"{system}: the record of its restore drills was not read: {unread.why}")
        except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError) as odd:
            found[system] = None
            told.append(f"{system}: {naming.DRILLS}/{naming.drill_record(system)} is no record of a drill: {odd}")
    return found, told


def _figures(live: Live, system: str) -> Figures | None:
    where = {"name": naming.drill_record(system), "namespace": naming.DRILLS}
    record = live.read({"apiVersion": "v1", "kind": "ConfigMap", "metadata": where})
    if record is None:
        return None
    last = json.loads(record["data"]["last"])
    failed = {"drill_failed_at": _moment(last)} if last["differences"] else {}
    if "last-equal" not in record["data"]:
        return failed
    good = json.loads(record["data"]["last-equal"])
    return {
        "drill_at": _moment(good),
        "drill_rto_seconds": float(good["rto_seconds"]),
        "drill_rpo_seconds": float(good["rpo_seconds"]),
        "drill_missed": [str(each) for each in good["missed"]],
        **failed,
    }


def _wanting(figures: Figures | None, now: datetime.datetime) -> Iterator[str]:
    """Yield what is wrong with a system's drills. One that never was is none yet: before its move there is no row."""
    if figures is None:
        return
    if failed := figures.get("drill_failed_at"):
        yield f"the backup that was restored for the drill of {failed} was not equal to the database"
    if (at := figures.get("drill_at")) and now - datetime.datetime.fromisoformat(at) > datetime.timedelta(DAYS_MAX):
        yield f"no restore drill was equal in the last {DAYS_MAX} days, the last one was of {at}: dcshift drill"


def _moment(document: dict[str, Any]) -> str:
    at = datetime.datetime.fromtimestamp(float(document["at_epoch_seconds"]), datetime.UTC)
    return at.isoformat(timespec="seconds")
