"""Chooses how a database is best moved, and says why; pure. A move that was ordered otherwise obeys the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOGICAL, PHYSICAL = "logical", "physical"
_WORTH_BYTES: Final = 512 * 1024 * 1024
"""Below this a logical copy is done before two servers have been made, started and stopped."""


@dataclass(frozen=True, slots=True)
class MoveFacts:
    """What the choice is made by."""

    target_is_host: bool
    """The target is a PostgreSQL host of ours, with both versions' programs."""
    source_machine: str
    target_machine: str
    source_major: int
    target_major: int
    left_behind: tuple[str, ...]
    """Databases of the source's server that do not move with it."""
    tablespaces: tuple[str, ...]
    subscriptions: tuple[str, ...]
    size_bytes: int


def engine_for(facts: MoveFacts) -> tuple[str, str]:
    """Return the engine and the sentence why: physical where nothing speaks against it."""
    against = [
        (not facts.target_is_host, "the target is no PostgreSQL host of ours, so its files cannot be written"),
        (
            facts.source_machine != facts.target_machine,
            f"files of {facts.source_machine} mean nothing to {facts.target_machine}",
        ),
        (facts.source_major < 13, f"PostgreSQL {facts.source_major} is older than 13"),
        (facts.target_major < facts.source_major, f"{facts.target_major} is older than {facts.source_major}"),
        (bool(facts.left_behind), f"the server's files hold what stays behind: {', '.join(facts.left_behind)}"),
        (bool(facts.tablespaces), f"tablespaces outside of its folder: {', '.join(facts.tablespaces)}"),
        (bool(facts.subscriptions), f"it subscribes elsewhere: {', '.join(facts.subscriptions)}"),
        (facts.size_bytes < _WORTH_BYTES, f"{facts.size_bytes:,} bytes are copied row by row sooner"),
    ]
    if why := [sentence for speaks, sentence in against if speaks]:
        return LOGICAL, "; ".join(why)
    return PHYSICAL, f"the whole server moves to a host of its kind: {facts.size_bytes:,} bytes go as files"
