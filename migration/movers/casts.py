"""Knows the casts that people made and which of them a target's owner may not make; it only reads.

A cast has no owner. Whoever makes one must own one of its types, and one without a function is a superuser's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from migration.movers import link
from migration.movers.link import Connection
from migration.verification.schema import CASTS, not_of_extension

_MADE: Final = f"""
SELECT k.oid::bigint, d.description, k.castmethod = 'b' OR NOT EXISTS (SELECT FROM pg_type t
    JOIN pg_database here ON here.datname = current_database() AND here.datdba = t.typowner
    WHERE t.oid IN (k.castsource, k.casttarget) AND {not_of_extension("pg_type", "t.oid")})
FROM pg_cast k JOIN ({CASTS}) d (oid, description) ON d.oid = k.oid ORDER BY 2
"""


@dataclass(frozen=True, slots=True)
class Cast:
    """One cast that the owner of the database may not make."""

    number: int
    description: str


def refused(source: Connection, target: Connection) -> tuple[list[Cast], list[Cast]]:
    """Return the source's casts that only a superuser can make: those that the target lacks, those that it has."""
    there = {description for _, description in link.rows(target, CASTS)}
    ours = [Cast(number, description) for number, description, beyond in link.rows(source, _MADE) if beyond]
    return [one for one in ours if one.description not in there], [one for one in ours if one.description in there]
