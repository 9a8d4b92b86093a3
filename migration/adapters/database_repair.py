"""Makes rows of a target that follows what the source's are, where two looks found them different.

It only reads the source, under the turn of whoever asked. It writes while the target goes on following: a batch locks
its table on the target, which holds up the stream and nobody else. What somebody touched since the look, on either
side, is left alone: the stream carries it, or a further look finds it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg

from migration.adapters import postgres
from migration.adapters.database_sessions import Sessions
from migration.adapters.repair_batch import Batch, Rows, Target
from migration.errors import StepFailed
from migration.model.repair import OddRows, Repaired
from migration.movers import claim, copy, link
from migration.movers.link import Connection
from migration.ports import Clock
from migration.verification import odd_rows
from migration.verification.odd_rows import Odd, OddTable

BATCH_ROWS: Final = 200
_ATTEMPTS: Final = 5
_Of = TypeVar("_Of")


class Repair:
    """The repair of one system's database."""

    def __init__(self, sessions: Sessions, clock: Clock, system: str, owner: str) -> None:
        self._at, self._clock, self._system, self._owner = sessions, clock, system, owner

    def look(self) -> list[OddRows]:
        """Return the rows that differ now, by table. Raises `StepFailed`."""
        return [found.told() for found in self._look()]

    def repair(self, agreed: Sequence[OddRows]) -> Repaired:
        """Look again, and make those of the agreed rows that still differ what the source has."""
        wanted = {each.table: each.keys for each in agreed}
        found = self._look()
        still = [_only(each, wanted.get(each.table.name, frozenset())) for each in found]
        seen = {each.table.name: {odd.key for odd in each.rows} for each in found}
        healed = sum(len(keys - seen.get(name, set())) for name, keys in wanted.items())
        appeared = sum(len(keys - wanted.get(name, frozenset())) for name, keys in seen.items())
        written, deleted, left = self._write([each for each in still if each.rows])
        return Repaired(written, deleted, healed, left, appeared)

    def _look(self) -> list[OddTable]:
        with self._at.target() as target:
            _assert_follows(target, self._system)
        try:
            with postgres.moment(*self._at.access.places(), self._clock, frozen=False) as moment:
                return odd_rows.find(moment)
        except psycopg.Error as failure:
            raise _broken_off(self._system, str(failure), "nothing was changed") from failure

    def _write(self, found: Sequence[OddTable]) -> tuple[int, int, int]:
        source, target = self._at.access.places()
        written = deleted = left = 0
        with ExitStack() as stack:
            here, there = postgres.pinned(source.endpoint, stack), postgres.pinned(target.endpoint, stack)
            link.run(here, "SET extra_float_digits = 3")  # what has to go as text before 12 would lose digits
            binary = _binary(here)
            tables = [
                _Work(each, Target.of(there, each.table), binary.get(each.table.name, False))
                for each in _children_first(there, found)
            ]
            try:
                # What refers to a row goes before it and comes after it.
                for work in tables:
                    for rows in work.deletions():
                        done = self._batch(here, there, work, rows)
                        deleted, left = deleted + done, left + len(rows.delete) - done
                for work in reversed(tables):
                    for rows in work.writes():
                        done = self._batch(here, there, work, rows)
                        written, left = written + done, left + len(rows.update) + len(rows.insert) - done
            except psycopg.Error as failure:
                state = f"{written} rows were written and {deleted} deleted, the batch at hand was taken back"
                raise _broken_off(self._system, str(failure), state) from failure
        return written, deleted, left

    def _batch(self, here: Connection, there: Connection, work: _Work, rows: Rows) -> int:
        """Do one batch in one transaction, again where the stream stood in its way; return how many rows it did."""
        batch = Batch(here, there, work.target, rows, self._owner, binary=work.binary)
        for attempt in range(_ATTEMPTS):
            self._at.take_turn(here)
            try:
                with there.transaction():
                    # Who hands over waits for this batch, or this batch sees that it was handed over.
                    _assert_follows(there, self._system, locked=True)
                    return batch.do()
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                if attempt + 1 == _ATTEMPTS:
                    raise
                time.sleep(0.2 * (attempt + 1))
        raise AssertionError("a loop that raises at its end")


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done in one table."""

    odd: OddTable
    target: Target
    binary: bool

    def _is_update(self, odd: Odd) -> bool:
        return bool(self.odd.table.key) and len(odd.source) == len(odd.target) == 1

    def deletions(self) -> list[Rows]:
        gone = [one for odd in self.odd.rows if not self._is_update(odd) for one in odd.target]
        return [Rows(delete=tuple(part)) for part in _parts(gone)]

    def writes(self) -> list[Rows]:
        """Return what is changed in place, as whatever refers to it would forbid its absence, then what is new."""
        changed = [(odd.source[0], odd.target[0]) for odd in self.odd.rows if self._is_update(odd)]
        new = [one for odd in self.odd.rows if not self._is_update(odd) for one in odd.source]
        return [*(Rows(update=tuple(p)) for p in _parts(changed)), *(Rows(insert=tuple(p)) for p in _parts(new))]


def _parts(rows: list[_Of]) -> list[list[_Of]]:
    return [rows[at : at + BATCH_ROWS] for at in range(0, len(rows), BATCH_ROWS)]


def _only(found: OddTable, keys: frozenset[int]) -> OddTable:
    return OddTable(found.table, tuple(odd for odd in found.rows if odd.key in keys))


def _binary(source: Connection) -> dict[str, bool]:
    """Say of each table, as its server writes its name, whether its rows mean the same on both sides in binary form."""
    found = [(table.schema, table.name, table.binary) for table in copy.tables(source)]
    query = "SELECT format('%%I.%%I', s, n), b FROM unnest(%s::text[], %s::text[], %s::boolean[]) AS t (s, n, b)"
    return dict(link.rows(source, query, tuple(map(list, zip(*found, strict=True))))) if found else {}


_REFERS = """
SELECT DISTINCT format('%I.%I', n.nspname, c.relname), format('%I.%I', m.nspname, p.relname)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace m ON m.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
"""


def _children_first(target: Connection, found: Sequence[OddTable]) -> list[OddTable]:
    """Return the tables so that each comes before those to which it refers; a circle is cut somewhere."""
    by_name = {each.table.name: each for each in found}
    parents: dict[str, list[str]] = {name: [] for name in by_name}
    for child, parent in link.rows(target, _REFERS):
        if child in by_name and parent in by_name:
            parents[child].append(parent)
    ordered: list[str] = []  # parents first

    def place(name: str, above: frozenset[str]) -> None:
        if name in ordered:
            return
        for parent in parents[name]:
            if parent not in above:
                place(parent, above | {parent})
        ordered.append(name)

    for name in by_name:
        place(name, frozenset({name}))
    return [by_name[name] for name in reversed(ordered)]


def _assert_follows(target: Connection, system: str, *, locked: bool = False) -> None:
    if locked:
        link.rows(target, "SELECT FROM dcshift.claim FOR SHARE")
    phase = claim.phase(target, system)
    if phase != claim.FOLLOWING:
        raise StepFailed(
            "target-not-following",
            what=f"the target of {system} is not repaired",
            why=f"its copy is {phase or 'not there'}; only rows of one that follows the source are what the source has",
            state="nothing was changed",
            next="dcshift status",
        )


def _broken_off(system: str, why: str, state: str) -> StepFailed:
    return StepFailed(
        "repair-broken-off",
        what=f"the repair of {system} was broken off",
        why=why.strip(),
        state=f"the source was only read and serves; {state}",
        next=f"mend the cause, then dcshift repair {system} again: it looks anew",
    )
