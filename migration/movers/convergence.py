"""Foresees from the passes that were made what the next one will carry, and how long it takes; it measures nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Protocol

from migration.model.words import Json

_FACT: Final = "rounds"
_KEPT: Final = 8
_SHRINKS: Final = 0.9
"""A pass that carries no less than this share of the one before is worth no further pass."""


class Facts(Protocol):
    """Where a mover remembers from one run to the next."""

    def fact(self, name: str) -> str | None: ...

    def set_fact(self, name: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Round:
    """One pass as it was."""

    began: float
    """Seconds since 1970."""
    listing_seconds: float
    seconds: float
    """Of the whole pass."""
    touched: int
    """Files or objects carried or removed."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a pass would do that begins where the last one ended."""

    touched: int
    bytes: int
    seconds: float
    shrinks: bool
    """Whether it has clearly less to do than the last one."""
    asked: float
    """When the last pass began, in seconds since 1970."""

    def facts(self) -> dict[str, Json]:
        """Return its figures as a mover says them."""
        names = ("touched", "bytes", "seconds")
        return {f"forecast_{name}": getattr(self, name) for name in names}


def forecast(rounds: Sequence[Round]) -> Forecast | None:
    """Return what the next pass will do, or None before the first.

    The source changes as fast as between the beginnings of the last two passes, for as long as the last one took. A
    file takes as long as in the pass that had most of them, where what a pass costs by itself weighs least; that is
    taken once, as its list. Of one pass alone it is not known since when there were changes: the next one has as many.
    """
    if not rounds:
        return None
    last, fullest = rounds[-1], max(rounds, key=lambda one: one.touched)
    share = 1.0
    if len(rounds) > 1:
        share = last.seconds / max(last.began - rounds[-2].began, 0.001)
    each = max(fullest.seconds - fullest.listing_seconds, 0.0) / fullest.touched if fullest.touched else 0.0
    touched, size = (math.ceil(round(count * share, 3)) for count in (last.touched, last.bytes))
    seconds = round(last.listing_seconds + touched * each, 1)
    return Forecast(touched, size, seconds, touched <= last.touched * _SHRINKS, last.began)


def is_enough(made: int, touched: int, small: int, foreseen: Forecast | None) -> bool:
    """Say whether passes may end: one was small, or, after the first, the next would be no smaller."""
    return touched <= small or (made > 1 and foreseen is not None and not foreseen.shrinks)


def note(facts: Facts, made: Round) -> Forecast:
    """Remember a pass; return what the next one will do."""
    rounds = [*_rounds(facts), made][-_KEPT:]
    facts.set_fact(_FACT, json.dumps([asdict(one) for one in rounds]))
    foreseen = forecast(rounds)
    assert foreseen is not None
    return foreseen


def foreseen(facts: Facts) -> Forecast | None:
    """Return what the next pass will do by what is remembered; None where no pass is."""
    return forecast(_rounds(facts))


def _rounds(facts: Facts) -> list[Round]:
    return [Round(**one) for one in json.loads(facts.fact(_FACT) or "[]")]
