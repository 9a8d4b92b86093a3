"""Functions that find their names by the search path, planted on a real server inside each kind of definition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.adapters.database_functions import _names_bare, of_functions
from migration.model.words import Severity
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

_SQL = "RETURNS integer IMMUTABLE LANGUAGE sql"
PLAIN = f"""
SET ROLE portal; CREATE TABLE rates (v integer); CREATE TABLE t (id integer PRIMARY KEY);
CREATE FUNCTION bare() {_SQL} AS 'SELECT max(v) FROM rates';
CREATE FUNCTION full_name() {_SQL} AS 'SELECT max(v) FROM public.rates';
CREATE FUNCTION led() {_SQL} SET search_path = public AS 'SELECT max(v) FROM rates';
CREATE FUNCTION read() {_SQL} BEGIN ATOMIC SELECT max(v) FROM rates; END;
CREATE FUNCTION spoken() RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT max(v) FROM rates); END';
CREATE FUNCTION said() RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT 1 FROM public.rates); END'
"""
BLOCKER, WARNING = Severity.BLOCKER, Severity.WARNING
INSIDE = {
    "an index": ("CREATE INDEX i ON t ((id + {}()))", "DROP INDEX i", BLOCKER, "i"),
    "a condition of an index": ("CREATE INDEX i ON t (id) WHERE id > {}()", "DROP INDEX i", BLOCKER, "i"),
    "a generated column": (
        "ALTER TABLE t ADD g integer GENERATED ALWAYS AS (id + {}()) STORED",
        "ALTER TABLE t DROP g",
        BLOCKER,
        "t.g",
    ),
    "a view that is filled": (
        "CREATE MATERIALIZED VIEW m AS SELECT {}() AS v",
        "DROP MATERIALIZED VIEW m",
        WARNING,
        "m",
    ),
    "a check": ("ALTER TABLE t ADD CONSTRAINT k CHECK (id > {}())", "ALTER TABLE t DROP CONSTRAINT k", WARNING, "k"),
    "a domain": ("CREATE DOMAIN d AS integer CONSTRAINT dk CHECK (VALUE > {}())", "DROP DOMAIN d", WARNING, "dk"),
}


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, PLAIN) as both:
        yield both


@pytest.mark.parametrize("kind", INSIDE)
def test_a_function_in_sql_that_needs_a_path_is_named_with_the_servers_own_word(kind: str, sides: Sides) -> None:
    made, mended, severity, inside = INSIDE[kind]
    assert "search-path" not in found(sides), "it stands in no definition"
    with planted(sides, f"SET ROLE portal; {made.format('bare')}", mended):
        seen = found(sides)["search-path"]
    assert seen.severity is severity
    assert f'public.bare in {inside} (relation "rates" does not exist)' in seen.what
    assert "SET search_path" in seen.next


def test_from_17_on_a_server_fills_views_with_an_empty_path_itself(sides: Sides) -> None:
    made, mended, *_ = INSIDE["a view that is filled"]
    with planted(sides, f"SET ROLE portal; {made.format('bare')}", mended):
        found_for = {major: list(of_functions(sides.source, major * 10000)) for major in (16, 17)}
    assert [one.severity for one in found_for[16]] == [WARNING]
    assert [one.severity for one in found_for[17]] == [BLOCKER]


@pytest.mark.parametrize("function", ["full_name", "led", "read", "said"])
@pytest.mark.parametrize("kind", ["an index", "a check"])
def test_one_that_needs_none_is_not(kind: str, function: str, sides: Sides) -> None:
    made, mended, *_ = INSIDE[kind]
    with planted(sides, f"SET ROLE portal; {made.format(function)}", mended):
        assert "search-path" not in found(sides)


def test_one_in_another_language_is_judged_by_its_words(sides: Sides) -> None:
    made, mended, *_ = INSIDE["an index"]
    with planted(sides, f"SET ROLE portal; {made.format('spoken')}", mended):
        seen = found(sides)["search-path"]
    assert (seen.severity, "public.spoken in i (names rates without a schema)" in seen.what) == (WARNING, True)


@pytest.mark.parametrize(
    ("body", "bare"),
    [
        ("FROM rates r", True),
        ('FROM "rates"', True),
        ("from RATES;", True),
        ("FROM public.rates", False),
        ('FROM "public"."rates"', False),
        ("rates.v", False),
        ("crates rates_2 $rates", False),
    ],
)
def test_a_name_with_its_schema_is_told_from_one_without(body: str, bare: bool) -> None:
    assert _names_bare(body, "rates") is bare
