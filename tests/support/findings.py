"""What the preflight says of two databases, as `dcshift check` would ask; for tests that plant what it must name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from migration.adapters import database_preflight
from migration.model.words import Finding
from tests.support.moving import context
from tests.support.two_databases import Sides

# Two servers of one machine may have been built with other libraries, and nothing bounds what a fresh one's slots keep.
USUAL = frozenset({"collation-version", "source-keeps-log"})


def found(
    sides: Sides,
    facts: Mapping[str, Any] | None = None,
    contract: Mapping[str, Any] | None = None,
    passed_over: frozenset[str] = USUAL,
) -> dict[str, Finding]:
    """Return the findings by code, with these facts of the survey or of the contract instead of the portal's."""
    known = context(sides.pair[0].folder, None)
    findings = database_preflight.of_both(
        sides.source,
        sides.target,
        known.facts.database.model_copy(update=dict(facts or {})),
        known.contract.database.model_copy(update=dict(contract or {})),
    )
    return {one.code: one for one in findings if one.code not in passed_over}


@contextmanager
def planted(sides: Sides, made: str, mended: str, side: int = 0) -> Iterator[None]:
    """Hold a case in one database for as long as the block lasts; each is one string of statements."""
    sides.as_admin(side, made)
    try:
        yield
    finally:
        sides.as_admin(side, mended)
