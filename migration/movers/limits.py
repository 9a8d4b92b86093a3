"""Decides from what was read of a source whether a mover goes on, waits or stops; it asks and waits for nobody itself.

To wait spares a source that is busy; it costs the source the log that it keeps meanwhile. So a limit on the log stops,
and none on it waits: waiting makes it longer.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

FILE: Final = "source-limits.json"
"""Name of the file with these limits, in the folder of a system's records."""
LOAD_MIN, LOAD_MAX = 0.1, 100_000.0
BYTES_MIN, BYTES_MAX = 1024**2, 2**50
GO_ON_SHARE: Final = 0.8
"""Who waits goes on at this share of the limit, not at the limit itself, around which a source would keep him."""
CALM_SECONDS: Final = 10.0
"""How long it must have been so calm before he goes on."""
STOP_SECONDS: Final = 10.0
"""How long a load must last that ends a copy of hours: longer than a hiccup."""
UNREAD_SECONDS_MAX: Final = 120.0
"""How long a source may not say how it is; not to know is no reason to go on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What people set; None is no limit."""

    wait_load: float | None = None
    """Wait while more than so much is at work at the source at once, on the mean: `Reading.load`."""
    wait_lag_bytes: int | None = None
    """Wait while one of the source's own replicas is further behind than this."""
    stop_load: float | None = None
    stop_log_bytes: int | None = None
    """Stop when the source keeps more log than this for our slot."""

    @property
    def waits(self) -> bool:
        return self.wait_load is not None or self.wait_lag_bytes is not None

    def ask(self, *, copying: bool) -> bool:
        """Say whether the source must be asked how it is."""
        return self.stop_log_bytes is not None or (copying and (self.waits or self.stop_load is not None))

    def as_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None}) + "\n"


def read(file: Path | None) -> Limits:
    """Return the limits in a file; what is no limit that could be meant is none."""
    try:
        found = json.loads(file.read_text()) if file else {}
    except (OSError, ValueError):
        return Limits()
    if not isinstance(found, dict):
        return Limits()

    def within(name: str, least: float, most: float) -> float | None:
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if least <= value <= most else None

    def size(name: str) -> int | None:
        value = within(name, BYTES_MIN, BYTES_MAX)
        return None if value is None else int(value)

    wait, stop = (within(name, LOAD_MIN, LOAD_MAX) for name in ("wait_load", "stop_load"))
    return Limits(wait, size("wait_lag_bytes"), stop, size("stop_log_bytes"))


@dataclass(frozen=True, slots=True)
class Reading:
    """How the source was at one moment."""

    load: float
    """How many of others are at work at once, on the mean: a database's sessions, a host's processes."""
    replica: str | None = None
    """The replica that is furthest behind, and how far."""
    lag_bytes: int | None = None
    log_bytes: int | None = None
    """The log that is kept for our slot; None while there is none."""


@dataclass(frozen=True, slots=True)
class Unread:
    """The source did not say how it is."""

    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What was decided last, and since when."""

    limits: Limits = Limits()
    why: str | None = None
    """Why the mover waits; None while it goes on."""
    since: float = 0.0
    calm_since: float | None = None
    loaded_since: float | None = None
    unread_since: float | None = None
    stop: str | None = None
    """Why the mover must end; it stays so."""

    def waits(self, now: float) -> str | None:
        """Return why the mover waits and since when, as people read it."""
        return None if self.why is None else f"{self.why} since {_seconds(now - self.since)}"


def decide(before: Standing, limits: Limits, reading: Reading | Unread, now: float, *, copying: bool) -> Standing:
    """Return what holds from now on; `copying` is false once nothing is read from the source that it could feel."""
    if before.stop is not None:
        return before
    if isinstance(reading, Unread):
        return _unread(before, limits, reading, now, copying=copying)
    after = replace(before, limits=limits, unread_since=None)
    if limits.stop_log_bytes is not None and (reading.log_bytes or 0) > limits.stop_log_bytes:
        kept, most = _mib(reading.log_bytes or 0), _mib(limits.stop_log_bytes)
        return replace(after, stop=f"the source keeps {kept} of log for the copy, more than {most}")
    if not copying:
        return replace(after, why=None, calm_since=None, loaded_since=None)
    loaded = limits.stop_load is not None and reading.load > limits.stop_load
    after = replace(after, loaded_since=_since(before.loaded_since, now) if loaded else None)
    if after.loaded_since is not None and now - after.loaded_since >= STOP_SECONDS:
        said = f"source load {reading.load:.1f} above {limits.stop_load:.1f} for {_seconds(STOP_SECONDS)}"
        return replace(after, stop=said)
    return _waiting(before, after, reading, now)


def _waiting(before: Standing, after: Standing, reading: Reading, now: float) -> Standing:
    since = before.since if before.why is not None else now
    if over := _above(after.limits, reading, 1.0):
        return replace(after, why=over, since=since, calm_since=None)
    # Somebody who changes the limits wants them to hold now, not after the caution that belongs to those before.
    if before.why is None or before.limits != after.limits:
        return replace(after, why=None, calm_since=None)
    if _above(after.limits, reading, GO_ON_SHARE):
        return replace(after, why=_nearly(after.limits, reading), since=since, calm_since=None)
    calm_since = _since(before.calm_since, now)
    if now - calm_since >= CALM_SECONDS:
        return replace(after, why=None, calm_since=None)
    return replace(after, why=_nearly(after.limits, reading), since=since, calm_since=calm_since)


def _unread(before: Standing, limits: Limits, reading: Unread, now: float, *, copying: bool) -> Standing:
    unread_since = _since(before.unread_since, now)
    after = replace(before, limits=limits, unread_since=unread_since, calm_since=None, loaded_since=None)
    if now - unread_since >= UNREAD_SECONDS_MAX:
        silent = _seconds(UNREAD_SECONDS_MAX)
        return replace(after, stop=f"the source did not say for {silent} how it is: {reading.why}")
    if not (copying and limits.waits):
        return replace(after, why=None)
    since = before.since if before.why is not None else now
    return replace(after, why=f"the source does not say how it is ({reading.why})", since=since)


def _above(limits: Limits, reading: Reading, share: float) -> str:
    """Say what is above this share of its limit; empty when nothing is."""
    said = []
    if limits.wait_load is not None and reading.load > limits.wait_load * share:
        said.append(f"source load {reading.load:.1f} above {limits.wait_load:.1f}")
    if limits.wait_lag_bytes is not None and (reading.lag_bytes or 0) > limits.wait_lag_bytes * share:
        behind, most = _mib(reading.lag_bytes or 0), _mib(limits.wait_lag_bytes)
        said.append(f"replica {reading.replica} is {behind} behind, more than {most}")
    return " and ".join(said)


def _nearly(limits: Limits, reading: Reading) -> str:
    said = []
    if limits.wait_load is not None:
        said.append(f"source load {reading.load:.1f}, {limits.wait_load * GO_ON_SHARE:.1f}")
    if limits.wait_lag_bytes is not None:
        said.append(f"replica lag {_mib(reading.lag_bytes or 0)}, {_mib(limits.wait_lag_bytes * GO_ON_SHARE)}")
    return f"{' and '.join(said)} or less for {_seconds(CALM_SECONDS)} is wanted; waiting"


def _since(before: float | None, now: float) -> float:
    return now if before is None else before


def _mib(count: float) -> str:
    return f"{count / 1024**2:,.1f} MiB" if count < 100 * 1024**2 else f"{count / 1024**2:,.0f} MiB"


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes}:{seconds:02d} min" if minutes else f"{seconds} s"


class Mean:
    """A mean that forgets: of what is counted once a second, which may be nought or ten by chance."""

    _SECONDS: Final = 5.0

    def __init__(self) -> None:
        self._value = self._at = math.nan

    def of(self, count: float, now: float) -> float:
        """Return the mean with this count, to which the older weigh less the older they are."""
        if math.isnan(self._value):
            self._value = count
        else:
            self._value += (count - self._value) * (1 - math.exp(-(now - self._at) / self._SECONDS))
        self._at = now
        return self._value
