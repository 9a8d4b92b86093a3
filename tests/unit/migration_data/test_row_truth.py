"""Every way in which two rows can differ and SQL may call them equal: each is found and named by its column.

Two real servers of different majors hold the same table; one value of the target is changed, looked for, and put back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from migration.model.words import Proof
from migration.verification.hashing import CANARIES
from migration.verification.large_objects import prove_large_objects
from migration.verification.rows import prove_rows, tables
from migration.verification.schema import prove_schema
from migration.verification.session import Moment, Row
from tests.support import two_databases
from tests.support.hard_values import KINDS, TABLE, TYPES
from tests.support.two_databases import Pair, Sides

_TABLES = f"""{TABLE}
CREATE TABLE truth.two (id integer PRIMARY KEY, a text, b text);
INSERT INTO truth.two VALUES (1, 'x', 'y'), (2, 'p', 'q'), (3, NULL, ''), (4, 'same', 'same');
CREATE TABLE truth.keyless (a text, b integer);
INSERT INTO truth.keyless VALUES ('x', 1), ('x', 1), (NULL, NULL), ('y', 2);
CREATE TABLE truth.floats (id integer PRIMARY KEY, f double precision, g double precision[], r real);
"""
_OWNED = "".join(f"ALTER TABLE truth.{name} OWNER TO portal; " for name in ("kinds", "two", "keyless", "floats"))
_SEEN = "GRANT USAGE ON SCHEMA truth TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA truth TO PUBLIC;"
_MADE = f"{TYPES}{_TABLES}{_OWNED}{_SEEN}"


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, _MADE, _MADE) as both:
        yield both


@pytest.fixture(params=["typed-64-bit", "md5"])
def algorithm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both algorithms: the second is for servers whose hash functions do not agree."""
    if request.param == "md5":
        odd, both = iter((1, 2)), Moment.both

        def disagreeing(moment: Moment, query: str) -> tuple[list[Row], list[Row]]:
            here, there = both(moment, query)
            if query == CANARIES:
                here = [(next(odd), *here[0][1:])]
            return here, there

        monkeypatch.setattr(Moment, "both", disagreeing)
    return str(request.param)


def proved(sides: Sides) -> Proof:
    with sides.moment() as moment:
        return prove_rows(moment)


def test_equal_rows_are_equal_by_either_algorithm(sides: Sides, algorithm: str) -> None:
    proof = proved(sides)
    assert (proof.passed, proof.figures["digest"], proof.differences) == (True, algorithm, ())


def test_a_proof_says_how_long_it_took_and_how_fast_it_went(sides: Sides) -> None:
    sides.as_admin(
        0, "SELECT lo_from_bytea(7, decode(repeat('2a', 99000), 'hex'))", "ALTER LARGE OBJECT 7 OWNER TO portal"
    )
    with sides.moment() as moment:
        for prove, counted, pace in (
            (prove_rows, "rows", "rows_per_second"),
            (prove_large_objects, "bytes", "bytes_per_second"),
        ):
            began = time.monotonic()
            figures: Any = prove(moment).figures
            assert 0 <= figures["seconds"] <= time.monotonic() - began + 0.001
            # Both are rounded: on a quick machine it takes a few milliseconds.
            assert figures[counted] / figures[pace] == pytest.approx(figures["seconds"], rel=0.01, abs=0.001)
    assert (figures["large_objects"], figures["bytes"], figures["changed_since_copy"]) == (1, 99_000, 0)
    sides.as_admin(0, "SELECT lo_unlink(7)")


@pytest.mark.parametrize("name", KINDS)
def test_a_value_that_is_easily_taken_for_another_is_told_apart(name: str, sides: Sides, algorithm: str) -> None:
    sides.as_admin(1, f"UPDATE truth.kinds SET {name} = {KINDS[name].other} WHERE id = 1")
    try:
        proof = proved(sides)
    finally:
        sides.as_admin(1, f"UPDATE truth.kinds SET {name} = {KINDS[name].value} WHERE id = 1")
    (said,) = proof.differences
    assert said.startswith("table truth.kinds: row with key hash ")
    assert said.endswith(f" differs in {name}")


SHUFFLED = {
    "values change places within a row": (
        "UPDATE truth.two SET a = b, b = a WHERE id = 1",
        "truth.two: row with key hash",
    ),
    "values change places between rows": (
        "UPDATE truth.two SET a = CASE id WHEN 1 THEN 'p' ELSE 'x' END WHERE id IN (1, 2)",
        "truth.two: row with key hash",
    ),
    "a null moves to the next column": (
        "UPDATE truth.two SET a = '', b = NULL WHERE id = 3",
        "truth.two: row with key hash",
    ),
    "a row is lost": ("DELETE FROM truth.two WHERE id = 2", "truth.two: 4 rows at the source, 3 on the target"),
    "a row comes twice, without a key": (
        "INSERT INTO truth.keyless VALUES ('y', 2)",
        "truth.keyless: 4 rows at the source, 5 on the target",
    ),
    "one of two equal rows is another": (
        "UPDATE truth.keyless SET b = 2 WHERE ctid = (SELECT min(ctid) FROM truth.keyless)",
        "truth.keyless: row with key hash",
    ),
    "an empty row is gone": ("DELETE FROM truth.keyless WHERE a IS NULL", "truth.keyless: 4 rows at the source, 3 on"),
    "one row is lost and another is added": (
        "UPDATE truth.two SET id = 9 WHERE id = 2",
        "truth.two: row with key hash",
    ),
}


@pytest.mark.parametrize("name", SHUFFLED)
def test_rows_that_are_lost_doubled_or_shuffled_are_named(name: str, sides: Sides, algorithm: str) -> None:
    change, expected = SHUFFLED[name]
    table = "truth.keyless" if "keyless" in change else "truth.two"
    sides.as_admin(1, f"CREATE TABLE kept AS TABLE {table}", change)
    try:
        proof = proved(sides)
    finally:
        sides.as_admin(1, f"TRUNCATE {table}", f"INSERT INTO {table} TABLE kept", "DROP TABLE kept")
    assert expected in "\n".join(proof.differences)
    assert proved(sides).passed


_FLOATS = "COPY truth.floats FROM PROGRAM 'printf ''{bytes}''' (FORMAT binary)"


def row(payload: int) -> str:
    """Return a row of not-a-number, as COPY reads it: SQL cannot write its payload, a copy in binary carries it."""
    nan = rf"\177\370\000\000\000\000\000\{payload:03o}"
    head = r"PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000"
    of_one_float8 = r"\000\000\000\001\000\000\000\000\000\000\002\275\000\000\000\001\000\000\000\001"
    array = rf"\000\000\000\040{of_one_float8}\000\000\000\010{nan}"
    real = rf"\000\000\000\004\177\300\000\{payload:03o}"
    return rf"{head}\000\004\000\000\000\004\000\000\000\001\000\000\000\010{nan}{array}{real}\377\377"


def test_the_payload_of_not_a_number_counts(sides: Sides, algorithm: str) -> None:
    sides.as_admin(0, _FLOATS.format(bytes=row(0)))
    sides.as_admin(1, _FLOATS.format(bytes=row(1)))
    try:
        (said,) = proved(sides).differences
        assert said.endswith(" differs in f, g, r")
        sides.as_admin(1, "TRUNCATE truth.floats", _FLOATS.format(bytes=row(0)))
        assert proved(sides).passed
    finally:
        for side in (0, 1):
            sides.as_admin(side, "TRUNCATE truth.floats")


TWICE = "CREATE OR REPLACE FUNCTION truth.twice(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT {} * $1'"
GENERATED = (
    TWICE.format(2),
    "CREATE TABLE truth.made (id integer PRIMARY KEY, t integer GENERATED ALWAYS AS (truth.twice(id)) STORED)",
    "INSERT INTO truth.made SELECT generate_series(1, 9)",
    "GRANT SELECT ON truth.made TO PUBLIC",
)


def test_a_generated_value_that_was_computed_otherwise_is_named(sides: Sides, algorithm: str) -> None:
    """The target computes it anew, and its function was another for a while: no definition differs any more."""
    for side in (0, 1):
        sides.as_admin(side, *GENERATED)
    try:
        assert proved(sides).passed
        sides.as_admin(1, TWICE.format(3), "UPDATE truth.made SET id = id WHERE id = 5", TWICE.format(2))
        (said,) = proved(sides).differences
        with sides.moment() as moment:
            assert "truth.made" not in "\n".join(prove_schema(moment).differences)
    finally:
        for side in (0, 1):
            sides.as_admin(side, "DROP TABLE truth.made", "DROP FUNCTION truth.twice(integer)")
    assert said.startswith("table truth.made: row with key hash ")
    assert said.endswith(" differs in t")


def test_a_difference_hides_in_no_bucket_of_a_large_table(sides: Sides) -> None:
    """More rows than buckets: the rows behind a total are found wherever they lie."""
    made = "CREATE TABLE truth.many AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 20000) g"
    for side in (0, 1):
        sides.as_admin(
            side, made, "ALTER TABLE truth.many ADD PRIMARY KEY (id)", "GRANT SELECT ON truth.many TO PUBLIC"
        )
    try:
        for lost in (1, 777, 20000):
            sides.as_admin(1, f"UPDATE truth.many SET v = v || '.' WHERE id = {lost}")
            (said,) = proved(sides).differences
            assert said.endswith(" differs in v")
            sides.as_admin(1, f"UPDATE truth.many SET v = md5(id::text) WHERE id = {lost}")
        assert proved(sides).passed
    finally:
        for side in (0, 1):
            sides.as_admin(side, "DROP TABLE truth.many")


def test_before_each_table_of_the_source_somebody_may_let_it_rest(sides: Sides) -> None:
    said: list[int] = []
    with sides.moment() as moment:
        assert prove_rows(moment, between=said.append).passed
        sizes = sorted((table.size_bytes for table in tables(moment.source)), reverse=True)
    # Two sessions read at once: what the last two read, nobody waits for.
    assert sorted(said, reverse=True) == sorted([0, 0, *sizes[:-2]], reverse=True)


def test_who_ends_a_comparison_between_tables_ends_it(sides: Sides) -> None:
    def end(_: int) -> None:
        raise LookupError("enough")

    with sides.moment() as moment, pytest.raises(LookupError, match="enough"):
        prove_rows(moment, between=end)
