"""What the catalogue promises of each system as series that alerts compare with, and how it is measured; pure.

An availability is declared nowhere; the time to recover is. A system that may be away for its `rto` once in 30 days
has that part of its requests as its budget of errors.
"""

from __future__ import annotations

from typing import Any, Final

from catalogue.system import System, mebibytes, seconds
from infra import naming
from infra.config import Settings
from infra.monitoring import series
from infra.monitoring.targets import PLATFORM, targets

Document = dict[str, Any]
_MONTH_SECONDS: Final = 30 * 24 * 3600
_BUDGET_MAX: Final = 0.05
"""Beyond it 14.4 times the budget would be more than all requests, and the fastest alert could never fire."""
_ARCHIVE_WAIT_SECONDS: Final = 3600
"""For a system whose file names no `rpo`."""
_WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")


def error_budget(system: System) -> float:
    """Return the part of a system's requests that may fail in a month."""
    return min(seconds(system.objectives.rto) / _MONTH_SECONDS, _BUDGET_MAX)


def file(settings: Settings) -> Document:
    """Return the file of recorded series."""
    return {
        "groups": [
            {
                "name": "catalogue",
                "interval": "1m",
                "rules": [*_declared(settings), *_promised(settings), *_log_programs(settings)],
            },
            {"name": "requests", "rules": _requests()},
            # Sums of what was recorded: three days of every answer's code would be read anew each time.
            {"name": "ratios", "interval": "1m", "rules": [_ratio(window) for window in _WINDOWS]},
        ]
    }


def _declared(settings: Settings) -> list[Document]:
    return [
        _constant(series.TARGETS_DECLARED, target.count, job=target.job, system=target.system)
        for target in targets(settings)
    ]


def _promised(settings: Settings) -> list[Document]:
    found = []
    for system in settings.catalogue.systems:
        waits = seconds(system.objectives.rpo) if system.objectives.rpo else _ARCHIVE_WAIT_SECONDS
        found += [
            _constant(series.BUDGET, round(error_budget(system), 6), system=system.id),
            _constant(series.ARCHIVE_WAIT_SECONDS_MAX, waits, system=system.id),
            _constant(series.VOLUME_BYTES, mebibytes(system.database.storage) * 1024**2, system=system.id),
        ]
        if settings.state_metrics_namespace:
            found.append(_constant(series.DRILL_SECONDS_MAX, settings.drill_seconds_max(system), system=system.id))
    return found


def _log_programs(settings: Settings) -> list[Document]:
    """Return a series for each program of the security log, where somebody says how they are."""
    log = settings.catalogue.province.security_log
    if not (log and settings.state_metrics_namespace):
        return []
    programs = [naming.LOG_AGENT, naming.LOG_RELAY, *([naming.LOG_NATIONAL] if log.national else [])]
    return [_constant(series.LOG_PROGRAM, 1, program=each, system=PLATFORM) for each in programs]


def _constant(name: str, value: float, **labels: str) -> Document:
    return {"record": name, "expr": f"vector({value})", "labels": labels}


def _requests() -> list[Document]:
    return [
        {"record": series.REQUESTS, "expr": series.answers("system")},
        {
            "record": series.ERRORS,
            # Without a failure there is no such series, and no failure must be told from no measurement.
            "expr": f"{series.answers('system', '5..')} or {series.REQUESTS} * 0",
        },
    ]


def _ratio(window: str) -> Document:
    def over(name: str) -> str:
        # What is recorded is itself of five minutes.
        return name if window == "5m" else f"sum_over_time({name}[{window}])"

    return {"record": series.error_ratio(window), "expr": f"{over(series.ERRORS)} / {over(series.REQUESTS)}"}
