"""Every way in which two rows can differ and SQL may call them equal: each is found and named by its column.

Two real servers of different majors hold the same table; one value of the target is changed, looked for, and put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from migration.model.words import Proof
from migration.verification.hashing import CANARIES
from migration.verification.rows import prove_rows
from migration.verification.session import Moment, Row
from tests.support import two_databases
from tests.support.two_databases import Pair, Sides


@dataclass(frozen=True)
class Kind:
    """A type of column, a value, and another one that is easily taken for it."""

    type: str
    value: str
    other: str


KINDS = {
    "numeric_scale": Kind("numeric", "1.0", "1.00"),
    "numeric_last_digit": Kind("numeric(30,10)", "1.0000000000", "1.0000000001"),
    "numeric_nan": Kind("numeric", "'NaN'", "NULL"),
    "float_zero": Kind("double precision", "0", "'-0'"),
    "float_last_bit": Kind("double precision", "0.1", "0.1::float8 + 1.4e-17"),
    "float_infinity": Kind("double precision", "'Infinity'", "'-Infinity'"),
    "real_zero": Kind("real", "0", "'-0'"),
    "json_form": Kind("json", """'{"a":1}'""", """'{"a": 1}'"""),
    "json_key_twice": Kind("json", """'{"a":1,"a":2}'""", """'{"a":2}'"""),
    "jsonb_number": Kind("jsonb", """'{"a": 1.0}'""", """'{"a": 1.00}'"""),
    "jsonb_null": Kind("jsonb", "'null'", "NULL"),
    "null_for_empty": Kind("text", "''", "NULL"),
    "trailing_blank": Kind("text", "'a'", "'a '"),
    "varchar_blank": Kind("varchar(9)", "'a'", "'a '"),
    "padded_blank": Kind("bpchar", "'a'", "'a '"),
    "letter_case": Kind("text", "'Đơn'", "'đơn'"),
    "composed": Kind("text", r"U&'\0110\01A1n'", r"U&'\0110o\031Bn'"),
    "nondeterministic": Kind("text COLLATE truth.loose", "'Hồ sơ'", "'HỒ SƠ'"),
    "name_cut": Kind("name", "'a'", "'a '"),
    "one_char": Kind('"char"', "'a'", "'b'"),
    "array_dimensions": Kind("integer[]", "'{1,2,3,4}'", "'{{1,2},{3,4}}'"),
    "array_bounds": Kind("integer[]", "'{1,2}'", "'[0:1]={1,2}'"),
    "array_empty": Kind("text[]", "'{}'", """'{""}'"""),
    "array_null": Kind("text[]", "'{NULL}'", """'{"NULL"}'"""),
    "array_scale": Kind("numeric[]", "'{1.0}'", "'{1.00}'"),
    "array_blank": Kind("bpchar[]", "'{a}'", """'{"a "}'"""),
    "array_zero": Kind("double precision[]", "'{0}'", "'{-0}'"),
    "interval_form": Kind("interval", "'1 day'", "'24 hours'"),
    "interval_month": Kind("interval", "'1 month'", "'30 days'"),
    "enum_label": Kind("truth.status", "'new'", "'paid'"),
    "enum_array": Kind("truth.status[]", "'{new,paid}'", "'{paid,new}'"),
    "domain_scale": Kind("truth.money_vnd", "1.0", "1.00"),
    "composite_scale": Kind("truth.pair", "ROW(1.0, 'a')", "ROW(1.00, 'a')"),
    "composite_null": Kind("truth.pair", "ROW(NULL, NULL)", "NULL"),
    "range_scale": Kind("numrange", "'[1.0,2)'", "'[1.00,2)'"),
    "range_bound": Kind("numrange", "'[1,2)'", "'[1,2]'"),
    "timestamp_microsecond": Kind("timestamp", "'2026-01-01 00:00'", "'2026-01-01 00:00:00.000001'"),
    "instant": Kind("timestamptz", "'2026-01-01 00:00+07'", "'2026-01-01 00:00+00'"),
    "instant_infinite": Kind("timestamptz", "'infinity'", "NULL"),
    "time_zone": Kind("timetz", "'10:00+07'", "'03:00+00'"),
    "time_of_day": Kind("time", "'23:59:59'", "'23:59:59.000001'"),
    "day": Kind("date", "'2026-11-30'", "'2026-12-01'"),
    "day_before_christ": Kind("date", "'0001-01-01 BC'", "'0001-01-01'"),
    "bytea_bit": Kind("bytea", r"'\x0001ff'", r"'\x0000ff'"),
    "bytea_null": Kind("bytea", r"'\x'", "NULL"),
    "bits_length": Kind("bit varying", "B'10'", "B'100'"),
    "network_mask": Kind("inet", "'10.0.0.1/8'", "'10.0.0.1'"),
    "point_zero": Kind("point", "'(0,0)'", "'(-0,0)'"),
    "search_weight": Kind("tsvector", "'a:1A'", "'a:1B'"),
    "xml_space": Kind("xml", "'<a/>'", "'<a />'"),
    "uuid_bit": Kind("uuid", "'00000000-0000-0000-0000-000000000000'", "NULL"),
    "bool_null": Kind("boolean", "false", "NULL"),
    "zero_null": Kind("integer", "0", "NULL"),
    "small": Kind("smallint", "-1", "1"),
    "big": Kind("bigint", "9223372036854775807", "-9223372036854775808"),
    "object_number": Kind("oid", "0", "4294967295"),
}
_TYPES = """
CREATE SCHEMA truth; GRANT ALL ON SCHEMA truth TO portal;
CREATE COLLATION truth.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE truth.status AS ENUM ('new', 'paid');
CREATE DOMAIN truth.money_vnd AS numeric;
CREATE TYPE truth.pair AS (amount numeric, name text);
"""
_TABLES = f"""
CREATE TABLE truth.kinds (id integer PRIMARY KEY, {", ".join(f"{name} {kind.type}" for name, kind in KINDS.items())});
INSERT INTO truth.kinds VALUES (1, {", ".join(kind.value for kind in KINDS.values())});
INSERT INTO truth.kinds SELECT g FROM generate_series(2, 40) g;
CREATE TABLE truth.two (id integer PRIMARY KEY, a text, b text);
INSERT INTO truth.two VALUES (1, 'x', 'y'), (2, 'p', 'q'), (3, NULL, ''), (4, 'same', 'same');
CREATE TABLE truth.keyless (a text, b integer);
INSERT INTO truth.keyless VALUES ('x', 1), ('x', 1), (NULL, NULL), ('y', 2);
CREATE TABLE truth.floats (id integer PRIMARY KEY, f double precision, g double precision[], r real);
"""
_OWNED = "".join(f"ALTER TABLE truth.{name} OWNER TO portal; " for name in ("kinds", "two", "keyless", "floats"))
_SEEN = "GRANT USAGE ON SCHEMA truth TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA truth TO PUBLIC;"
_MADE = f"{_TYPES}{_TABLES}{_OWNED}{_SEEN}"


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
