"""What restore drills measured, read where `dcshift drill` wrote it down in the cluster; it runs none."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra import naming
from infra.errors import InfraError
from infra.live import Live

Figures = dict[str, Any]
_DAY: Final = datetime.timedelta(days=1)


def measured(
    live: Live, systems: Mapping[str, float], now: datetime.datetime
) -> tuple[dict[str, Figures | None], list[str]]:
    """Return the figures of each system's last drill that was equal, and what people must be told; never raises.

    `systems`: how many seconds old that drill may be, of each. A system has None where no drill was, or none can be
    read: what a drill measured decides nothing here.
    """
    found: dict[str, Figures | None] = {}
    told = []
    for system, seconds_max in systems.items():
        try:
            found[system] = figures = _figures(live, system)
            told += [f"{system}: {sentence}" for sentence in _wanting(figures, seconds_max, now)]
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


def _wanting(figures: Figures | None, seconds_max: float, now: datetime.datetime) -> Iterator[str]:
    """Yield what is wrong with a system's drills. One that never was is none yet: before its move there is no row."""
    if figures is None:
        return
    if failed := figures.get("drill_failed_at"):
        yield f"the backup that was restored for the drill of {failed} was not equal to the database"
    age_max = datetime.timedelta(seconds=seconds_max)
    if (at := figures.get("drill_at")) and now - datetime.datetime.fromisoformat(at) > age_max:
        yield f"no restore drill was equal in the last {age_max // _DAY} days, the last one was of {at}: dcshift drill"


def _moment(document: dict[str, Any]) -> str:
    at = datetime.datetime.fromtimestamp(float(document["at_epoch_seconds"]), datetime.UTC)
    return at.isoformat(timespec="seconds")
