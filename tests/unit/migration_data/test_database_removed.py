"""What a newer server took away, and rows that no server can write: each is named on two real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.adapters import database_removed
from migration.model.words import Severity
from tests.support import two_databases
from tests.support.two_databases import Pair, Sides

LIMIT = 100_000
# Bytes that no compression makes smaller, as many as asked for.
NOISE = """
CREATE FUNCTION noise(bytes integer) RETURNS bytea LANGUAGE sql AS
    $$ SELECT substr(string_agg(decode(md5(i::text || 'đ'), 'hex'), '' ORDER BY i), 1, bytes)
       FROM generate_series(1, bytes / 16 + 1) i $$;
SET ROLE portal;
CREATE TABLE "100 %s" (id integer PRIMARY KEY, scan bytea, note text);
INSERT INTO "100 %s" VALUES (1, noise(49000), 'x');
-- Its rows go as text: the number of a type means something else on another server.
CREATE TABLE by_text (id integer PRIMARY KEY, scan bytea, what regtype);
INSERT INTO by_text VALUES (1, noise(49000), 'text');
CREATE TABLE narrow (id integer PRIMARY KEY, j jsonb);
CREATE VIEW at_work AS SELECT pid, query FROM pg_stat_activity;
RESET ROLE;
"""


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, NOISE) as both:
        yield both


def found(sides: Sides, *, look_seconds_max: float = 300.0) -> list[tuple[Severity, str, str]]:
    findings = database_removed.of_both(
        sides.source, sides.target, row_bytes_max=LIMIT, look_seconds_max=look_seconds_max
    )
    return [(one.severity, one.code, one.what) for one in findings if one.next and one.where == "portal"]


def test_a_plain_database_has_nothing_to_say(sides: Sides) -> None:
    assert found(sides) == []


@pytest.mark.parametrize(
    ("table", "scan", "note", "severity", "says"),
    [
        ('"100 %s"', 51_000, 0, Severity.WARNING, "as text: they can be copied, but no change of them can be followed"),
        ('"100 %s"', 60_000, 60_000, Severity.BLOCKER, "and cannot be copied"),
        ("by_text", 51_000, 0, Severity.BLOCKER, "and cannot be copied"),
    ],
)
def test_a_row_that_no_server_can_write_is_named(
    table: str, scan: int, note: int, *, severity: Severity, says: str, sides: Sides
) -> None:
    more = f", encode(noise({note // 2}), 'hex')" if note else ", NULL"
    sides.as_admin(0, f"INSERT INTO {table} VALUES (2, noise({scan}){more})")
    try:
        ((seen, code, what),) = found(sides)
    finally:
        sides.as_admin(0, f"DELETE FROM {table} WHERE id = 2")
    assert (seen, code) == (severity, "rows-too-large")
    assert what.startswith("1 rows of ")
    assert table.strip('"') in what
    assert says in what


def test_the_length_of_a_value_is_read_without_fetching_it(sides: Sides) -> None:
    with sides.pair[0].admin("portal") as admin:
        plan = "EXPLAIN (ANALYZE, BUFFERS, TIMING off, COSTS off) SELECT count(*) FILTER (WHERE {} > 1) FROM by_text"
        read = [
            admin.execute(plan.format(what).encode()).fetchall() for what in ("octet_length(scan)", "length(md5(scan))")
        ]
    pages = [next(int(line.split("hit=")[1].split()[0]) for (line,) in lines if "hit=" in line) for lines in read]
    assert pages[0] < pages[1] // 5


def test_what_could_not_be_measured_in_time_is_named(sides: Sides) -> None:
    ((severity, code, what),) = found(sides, look_seconds_max=0.0)
    assert (severity, code) == (Severity.INFO, "rows-not-measured")
    assert "within 0 s in any table" in what


def test_a_measure_that_takes_too_long_is_given_up_and_the_limit_of_the_session_put_back(sides: Sides) -> None:
    with sides.pair[0].admin("portal") as admin:
        admin.execute("BEGIN")
        admin.execute("LOCK TABLE by_text")
        ((_, code, what),) = found(sides, look_seconds_max=1.0)
        admin.execute("ROLLBACK")
    assert (code, 'public"."by_text' in what) == ("rows-not-measured", True)
    assert sides.source.execute("SHOW statement_timeout").fetchone() == ("1min",)


def test_an_operator_behind_its_operand_is_named(sides: Sides) -> None:
    sides.as_admin(
        0,
        "CREATE FUNCTION bang(a bigint, b bigint) RETURNS bigint LANGUAGE sql AS 'SELECT a'",
        "CREATE OPERATOR !!! (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = bang)",
        # A server of this version makes none any more.
        "UPDATE pg_operator SET oprright = 0 WHERE oprname = '!!!'",
    )
    try:
        ((severity, code, what),) = found(sides)
    finally:
        sides.as_admin(0, "UPDATE pg_operator SET oprright = 20 WHERE oprname = '!!!'", "DROP FUNCTION bang CASCADE")
    assert (severity, code) == (Severity.BLOCKER, "removed-postfix-operators")
    assert what.endswith("public.!!! (bigint)")
