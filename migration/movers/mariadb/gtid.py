"""Positions in MariaDB's logs: of each domain, which server wrote which transaction last; it asks nobody."""

from __future__ import annotations

from typing import NamedTuple


class Gtid(NamedTuple):
    """One transaction."""

    domain: int
    server: int
    number: int

    def __str__(self) -> str:
        return f"{self.domain}-{self.server}-{self.number}"


def parsed(position: str) -> list[Gtid]:
    """Return the transactions that a position, or a log's state, is written with."""
    gtids = filter(None, position.replace(" ", "").replace("\n", "").split(","))
    return [Gtid(*map(int, gtid.split("-"))) for gtid in gtids]


def behind(position: str, applied: str) -> int:
    """Return how many transactions of a position are not applied yet; within a domain their numbers rise."""
    there = {gtid.domain: gtid.number for gtid in parsed(applied)}
    return sum(max(gtid.number - there.get(gtid.domain, 0), 0) for gtid in parsed(position))


def strays(state: str, own: int, since: str) -> list[Gtid]:
    """Return transactions that the server `own` made by itself after a position."""
    before = dict[int, int]()
    for gtid in parsed(since):
        before[gtid.domain] = max(gtid.number, before.get(gtid.domain, 0))
    return [gtid for gtid in parsed(state) if gtid.server == own and gtid.number > before.get(gtid.domain, 0)]


def both(*positions: str) -> str:
    """Return what was there at several positions, for `strays` to tell it from what came later."""
    return ",".join(filter(None, positions))


def clashes(state: str, other: str, domain: int) -> list[Gtid]:
    """Return what a log holds in the other's domains, of which `domain` is where it writes, and the other does not."""
    known = {(gtid.domain, gtid.server): gtid.number for gtid in parsed(other)}
    domains = {domain, *(gtid.domain for gtid in parsed(other))}
    return [g for g in parsed(state) if g.domain in domains and g.number > known.get((g.domain, g.server), 0)]
