"""Reads from the target whether every index and every constraint is there as the source has it; it builds nothing."""

from __future__ import annotations

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.verification.schema import OURS, QUESTIONS, differences_between

Lines = dict[str, list[str]]
_ASKED = ("index", "constraint")
_SHOWN_MAX = 5
# Leaves and whole tables alone: an index over partitions is valid when all of its parts are.
_INVALID = f"""
SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND NOT (i.indisvalid AND i.indisready AND i.indislive)
"""


def definitions(connection: Connection) -> Lines:
    """Return all indexes and constraints as lines `name | definition`; the session must be pinned."""
    return {what: [line for (line,) in link.rows(connection, QUESTIONS[what]) if line] for what in _ASKED}


def prove(job: PostgresJob, wanted: Lines) -> int:
    """Compare the target with what the source had; return how many definitions. Raises `StepFailed` if it differs."""
    with link.session(job.target, program=job.program) as target:
        link.pin(target)
        there = definitions(target)
    # What the source itself holds for invalid is not in its archive; the proof of the schema names it.
    broken = {_name(line) for line in wanted["index"] if line.endswith((" (invalid)", " (not ready)"))}
    differences: list[str] = []
    for what in _ASKED:
        here, found = ([line for line in side[what] if _name(line) not in broken] for side in (wanted, there))
        differences += differences_between(here, found, what)
    if differences:
        more = f"; and {len(differences) - _SHOWN_MAX} more" if len(differences) > _SHOWN_MAX else ""
        raise StepFailed(
            "target-not-built",
            what=f"{len(differences)} indexes or constraints of {job.system} are not on the target as at the source",
            why="; ".join(differences[:_SHOWN_MAX]) + more,
            state="the source was only read; the copy counts as incomplete and begins again on the next run",
            next="see whether the source's schema was changed during the copy, then dcshift run",
        )
    return sum(map(len, wanted.values()))


def rebuild(job: PostgresJob, source: Connection, target: Connection) -> list[str]:
    """Build anew what became invalid on a target that follows, unless it is at the source too; return the indexes."""
    known = set(link.rows(source, _INVALID))
    found = [quoted(*name) for name in link.rows(target, _INVALID) if name not in known]
    if found:
        link.run(target, "SET statement_timeout = 0", job.as_owner, *(f"REINDEX INDEX {name}" for name in found))
        link.run(target, "RESET ROLE", "RESET statement_timeout")
    if left := [quoted(*name) for name in link.rows(target, _INVALID) if name not in known]:
        raise StepFailed(
            "index-stays-invalid",
            what=f"{len(left)} indexes of {job.system} are invalid on the target",
            why=f"they were built anew and the catalogue still says so: {', '.join(left[:_SHOWN_MAX])}",
            state="the source serves; the target follows it",
            next="look at the log of the target's server, then dcshift run",
        )
    return found


def _name(line: str) -> str:
    return line.partition(" | ")[0]
