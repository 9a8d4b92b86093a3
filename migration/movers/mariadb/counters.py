"""AUTO_INCREMENT and sequences: what a rolled-back row used up is in no log, and must not be given out again."""

from __future__ import annotations

from migration.model.words import Proof
from migration.movers.mariadb import link
from migration.movers.mariadb.link import Connection, quoted
from migration.movers.mariadb.moment import Moment

Place = tuple[str, str]
_COUNTED = """
SELECT TABLE_SCHEMA, TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES
WHERE AUTO_INCREMENT IS NOT NULL AND TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ({marks}) ORDER BY 1, 2
"""
_SEQUENCES = """
SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA IN ({marks}) ORDER BY 1, 2
"""


def carry(publisher: Connection, follower: Connection, databases: tuple[str, ...]) -> int:
    """Give the follower's tables the next number that the frozen publisher would give; return how many were behind."""
    next_there, behind = counters(follower, databases), 0
    for place, number in counters(publisher, databases).items():
        if next_there.get(place, number) < number:
            link.run(follower, f"ALTER TABLE {quoted(*place)} AUTO_INCREMENT = {number}")
            behind += 1
    return behind


def counters(side: Connection, databases: tuple[str, ...]) -> dict[Place, int]:
    """Return the next number of each table that counts."""
    return {(schema, table): int(number) for schema, table, number in _ask(side, _COUNTED, databases)}


def prove(moment: Moment, databases: tuple[str, ...]) -> Proof:
    """Compare the counters of both sides, which nobody moves."""
    sides = (moment.source, moment.target)
    (here, there), (states_here, states_there) = (
        [counters(side, databases) for side in sides],
        [_sequences(side, databases) for side in sides],
    )
    differences = [
        f"table {'.'.join(place)}: its next number is {there.get(place)} on the target, {number} at the source"
        for place, number in here.items()
        if there.get(place) != number
    ]
    differences += [
        f"sequence {'.'.join(place)}: stands elsewhere on the target"
        for place, state in states_here.items()
        if states_there.get(place) != state
    ]
    sentence = f"{len(here)} counters and {len(states_here)} sequences stand alike on both sides"
    if differences:
        sentence = f"{len(differences)} differences in counters"
    figures = {"counters": len(here), "sequences": len(states_here)}
    return Proof("counters", not differences, sentence, dict(figures), tuple(differences[:20]))


def _sequences(side: Connection, databases: tuple[str, ...]) -> dict[Place, tuple[int, ...]]:
    query = "SELECT next_not_cached_value, cycle_count FROM {}"
    places = _ask(side, _SEQUENCES, databases)
    return {(s, n): tuple(link.rows(side, query.format(quoted(s, n)))[0]) for s, n in places}


def _ask(side: Connection, query: str, databases: tuple[str, ...]) -> list[link.Row]:
    return link.rows(side, query.format(marks=", ".join(["%s"] * len(databases))), databases)
