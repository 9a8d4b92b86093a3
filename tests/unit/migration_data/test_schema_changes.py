"""Definitions that change at the source while a target follows, planted on two real servers: each forbids a freeze."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.adapters import database_findings
from migration.model.words import Finding, Severity
from migration.movers import claim, link, stream
from tests.support import two_databases
from tests.support.findings import planted
from tests.support.two_databases import SOURCE_ROLE, Pair, Sides

BOTH = """
SET ROLE portal; CREATE TYPE state AS ENUM ('in'); CREATE TABLE t (id integer PRIMARY KEY, s text, at state);
CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM t WITH NO DATA;
CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; RESET ROLE
"""
CHANGES = {
    "a column": ("ALTER TABLE t ADD c integer", "ALTER TABLE t DROP c", "column public.t.c: missing on the target"),
    "a type": ("ALTER TABLE t ALTER s TYPE varchar(9)", "ALTER TABLE t ALTER s TYPE text", "column public.t.s: source"),
    "an index": ("CREATE INDEX i ON t (s)", "DROP INDEX i", "index public.i: missing"),
    "a check": ("ALTER TABLE t ADD CONSTRAINT k CHECK (id > 0)", "ALTER TABLE t DROP CONSTRAINT k", "public.t.k"),
    "a value": (
        "ALTER TYPE state ADD VALUE 'out'",
        "DELETE FROM pg_enum WHERE enumlabel = 'out' AND enumtypid = 'state'::regtype",
        "type public.state: source has",
    ),
    "a function's body": (
        "SET ROLE portal; CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
        "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "function public.f(): source has",
    ),
}


@pytest.fixture(scope="module")
def following(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, BOTH, BOTH) as sides:
        claim._make(sides.target)
        link.run(sides.target, "INSERT INTO dcshift.claim (system, phase) VALUES ('portal', 'following')")
        stream.publish(sides.source, "dcshift")
        yield sides
        claim.leave(sides.target)
        link.run(sides.source, "DROP PUBLICATION dcshift")


def seen(sides: Sides) -> dict[str, Finding]:
    found = database_findings.from_stream(sides.source, sides.target, "portal", SOURCE_ROLE)
    return {one.code: one for one in found if one.code != "stream-lost"}


@pytest.mark.parametrize("change", CHANGES)
def test_a_definition_that_changes_at_the_source_forbids_a_freeze(change: str, following: Sides) -> None:
    made, mended, expected = CHANGES[change]
    assert seen(following) == {}
    with planted(following, made, mended):
        found = seen(following)
        assert (set(found), found["schema-changed"].severity) == ({"schema-changed"}, Severity.BLOCKER)
        assert expected in found["schema-changed"].what
        assert "dcshift rollback portal" in found["schema-changed"].next
    assert seen(following) == {}
    assert link.rows(following.source, "SHOW search_path") == [('"$user", public',)], "the session keeps its settings"


def test_what_is_changed_on_both_sides_is_no_difference(following: Sides) -> None:
    made, mended, _ = CHANGES["a column"]
    with planted(following, made, mended), planted(following, made, mended, side=1):
        assert seen(following) == {}


def test_a_view_that_the_freeze_fills_is_no_difference(following: Sides) -> None:
    made = "REFRESH MATERIALIZED VIEW sums"
    with planted(following, made, f"{made} WITH NO DATA"):
        assert seen(following) == {}


def test_a_new_table_is_not_followed_even_where_both_sides_have_it(following: Sides) -> None:
    made, mended = "CREATE TABLE later (id integer PRIMARY KEY); ALTER TABLE later OWNER TO portal", "DROP TABLE later"
    with planted(following, made, mended):
        found = seen(following)
        assert set(found) == {"schema-changed", "table-not-followed"}
        with planted(following, made, mended, side=1):
            found = seen(following)
    assert (set(found), found["table-not-followed"].severity) == ({"table-not-followed"}, Severity.BLOCKER)
    assert "public.later" in found["table-not-followed"].what
