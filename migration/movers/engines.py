"""Chooses how a database is best moved, and says why; pure. A move that was ordered otherwise obeys the order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LOGICAL, PHYSICAL = "logical", "physical"
_WORTH_BYTES: Final = 512 * 1024 * 1024
"""Below this a logical copy is done before two servers have been made, started and stopped."""


@dataclass(frozen=True, slots=True)
class MoveFacts:
    """What the choice is made by; what is not known yet is None or empty, and speaks neither for nor against."""

    cluster: str | None
    """Name of the CloudNativePG cluster that is the target; None: a PostgreSQL host of ours, with both versions."""
    source_major: int
    target_major: int
    size_bytes: int
    source_machine: str | None = None
    target_machine: str | None = None
    left_behind: tuple[str, ...] = ()
    """Databases of the source's server that do not move with it."""
    tablespaces: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()


def engine_for(facts: MoveFacts, ordered: str | None = None) -> tuple[str, str]:
    """Return the engine and the sentence why: physical where nothing speaks against it, or as ordered.

    Whether an order to move physically can be obeyed says `forbidding`.
    """
    against = [*forbidding(facts), *_unwise(facts)]
    best = LOGICAL if against else PHYSICAL
    bytes_there = f"{facts.size_bytes:,} bytes go as files"
    why = "; ".join(against) or f"the whole server moves to a host of its kind: {bytes_there}"
    if ordered in (None, best):
        return best, why
    assert ordered is not None
    return ordered, f"ordered so; by itself it would be {best}: {why}"


def forbidding(facts: MoveFacts) -> list[str]:
    """Return why a database cannot be moved physically, whoever orders it: a clause for each reason."""
    return list(_forbidding(facts))


def _forbidding(facts: MoveFacts) -> Iterator[str]:
    if facts.cluster is not None:
        yield f"the target is the CloudNativePG cluster {facts.cluster}, into which its operator alone puts files"
    if facts.source_machine != facts.target_machine:
        yield f"files of {facts.source_machine} mean nothing to {facts.target_machine}"
    if facts.source_major < 13:
        yield f"PostgreSQL {facts.source_major} is older than 13"
    if facts.target_major < facts.source_major:
        yield f"{facts.target_major} is older than {facts.source_major}"
    if facts.left_behind:
        yield f"the server's files hold what stays behind: {', '.join(facts.left_behind)}"
    if facts.tablespaces:
        yield f"tablespaces outside of its folder: {', '.join(facts.tablespaces)}"
    if facts.subscriptions:
        yield f"it subscribes elsewhere: {', '.join(facts.subscriptions)}"


def _unwise(facts: MoveFacts) -> Iterator[str]:
    if facts.size_bytes < _WORTH_BYTES:
        yield f"{facts.size_bytes:,} bytes are copied row by row sooner"
