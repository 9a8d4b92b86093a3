"""Says every second how far a copy is, how long it will take and why it waits, by what the target's server counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import psycopg

from migration.movers import lines, link
from migration.movers.beside import Beside
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.movers.slots import Kind, Piece, Slots, Standing
from migration.movers.throttle import Throttle

Shares = Mapping[tuple[Kind, str], float]
"""Of the pieces at work on one table together: bytes for rows, and for indexes which part of each is done."""

_COPIES = """
SELECT n.nspname, c.relname, sum(p.bytes_processed)::float8, sum(p.tuples_processed)::float8
FROM pg_stat_progress_copy p
JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.datname = current_database() GROUP BY 1, 2
"""
# Half of the time is reading the table; the other half is seen where the method tells it.
_INDEXES = """
SELECT n.nspname, c.relname, avg(CASE
    WHEN phase LIKE '%loading%' THEN 0.5 + 0.5 * tuples_done / greatest(tuples_total, 1)
    WHEN phase LIKE '%sorting%' THEN 0.5
    ELSE 0.5 * blocks_done / greatest(blocks_total, 1) END)::float8, 0::float8
FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.datname = current_database() GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the target's server counts at one moment."""

    shares: Shares = field(default_factory=dict)
    rows_at_work: Mapping[str, float] = field(default_factory=dict)
    """Rows of each table that came with the pieces at work on it; only servers from 14 on count them."""
    rows_ended: int = 0
    """Rows of pieces that had ended before."""


class CopyWatch(Beside):
    """Runs beside the workers; progress is what the server counts, so it is true for every program that writes."""

    def __init__(self, job: PostgresJob, slots: Slots, throttle: Throttle, rows: Sequence[int]) -> None:
        """`rows` are those of each piece that has ended; the list grows while pieces end."""
        super().__init__()
        self._job, self._slots, self._throttle, self._rows = job, slots, throttle, rows
        self._rows_said = 0
        self._rate = lines.Rate()

    def __enter__(self) -> Self:
        self._say(Seen())
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._say(Seen(rows_ended=sum(self._rows)))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with link.session(self._job.target, program=self._job.program) as target:
                    while not self._stop.wait(1.0):
                        # Counted before the server is asked: a piece that ends in between is missed once, and not
                        # told twice.
                        ended = sum(self._rows)
                        self._say(_seen(target, ended))
            except psycopg.Error:  # whether the target still answers is asked by another watch
                self._stop.wait(1.0)

    def _say(self, seen: Seen) -> None:
        standing, shares = self._slots.standing(), seen.shares
        left = seconds_left(standing, shares, self._job.workers, limited=self._throttle.is_slowed())
        waits, open_pieces = self._throttle.waits(), (*standing.at_work, *standing.waiting)
        if any(piece.kind is Kind.CARRY for piece in open_pieces):
            rows = [[piece for piece in pieces if _is_rows(piece)] for pieces in (standing.ended, open_pieces)]
            done = _weight(rows[0]) + _credit(rows[1], shares)
            rate = self._rate.of(round(done))
            at_work = {piece.table for piece in standing.at_work if _is_rows(piece)}
            come = seen.rows_ended + round(sum(count for table, count in seen.rows_at_work.items() if table in at_work))
            self._rows_said = max(self._rows_said, come)
            lines.progress(
                "rows", round(done), _weight([*rows[0], *rows[1]]), "bytes", rate,
                seconds_left=left, waits=waits, rows_done=self._rows_said,
            )  # fmt: skip
        else:
            # All of them but indexes are short; each has its part in the time that is left.
            steps = [sum(piece.kind is Kind.BUILD for piece in pieces) for pieces in (standing.ended, open_pieces)]
            lines.progress("indexes and constraints", steps[0], sum(steps), "steps", seconds_left=left)


def seconds_left(standing: Standing, shares: Shares, slots: int, *, limited: bool) -> float | None:
    """Return how long all that is left will take at the pace so far; None while there is nothing to tell it by.

    Rows and what is built on them have a pace each. Until something was built, it is taken to go like the rows, unless
    these are `limited` by people: their pace says nothing then.
    """
    paces: dict[Kind, float] = {}
    for kind in Kind:
        ended, at_work = ([p for p in pieces if p.kind is kind] for pieces in (standing.ended, standing.at_work))
        done, seconds = _weight(ended) + _credit(at_work, shares), standing.slot_seconds[kind]
        if done > 0 and seconds > 0:
            paces[kind] = done / seconds
    if not limited and Kind.CARRY in paces:
        paces.setdefault(Kind.BUILD, paces[Kind.CARRY])
    together, longest = 0.0, 0.0
    for kind in Kind:
        at_work, waiting = ([p for p in pieces if p.kind is kind] for pieces in (standing.at_work, standing.waiting))
        weight = _weight([*at_work, *waiting]) - _credit(at_work, shares)
        if weight <= 0:
            continue
        if kind not in paces:
            return None
        together += weight / paces[kind]
        longest = max(longest, *(piece.weight_bytes / paces[kind] for piece in waiting), 0.0)
    return max(together / slots, longest)


def _weight(pieces: Iterable[Piece]) -> int:
    return sum(piece.weight_bytes for piece in pieces)


def _is_rows(piece: Piece) -> bool:
    return piece.kind is Kind.CARRY and piece.table != ""


def _credit(at_work: Iterable[Piece], shares: Shares) -> float:
    """Return how much of pieces that are at work is done, as their weight."""
    together: dict[tuple[Kind, str], int] = {}
    for piece in at_work:
        together[piece.kind, piece.table] = together.get((piece.kind, piece.table), 0) + piece.weight_bytes
    done = 0.0
    for key, weight in together.items():
        share = shares.get(key, 0.0)
        done += min(weight, share) if key[0] is Kind.CARRY else weight * min(share, 1.0)
    return done


def _seen(target: Connection, rows_ended: int) -> Seen:
    version = target.info.server_version
    shares: dict[tuple[Kind, str], float] = {}
    rows: dict[str, float] = {}
    for kind, query, since in ((Kind.CARRY, _COPIES, 140000), (Kind.BUILD, _INDEXES, 120000)):
        for schema, table, share, count in link.rows(target, query) if version >= since else ():
            shares[kind, quoted(schema, table)] = share
            if kind is Kind.CARRY:
                rows[quoted(schema, table)] = count
    return Seen(shares, rows, rows_ended)
