"""Roles that a database needs, planted on two real servers: whatever names one, the target must have it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.model.words import Severity
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

PLAIN = """
SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text); CREATE SCHEMA apart; CREATE SEQUENCE q;
CREATE TYPE mood AS ENUM ('glad'); CREATE TYPE span AS RANGE (subtype = numeric);
CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; SELECT lo_create(4711);
"""


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, PLAIN) as both:
        both.as_admin(0, "CREATE ROLE only_here", "CREATE ROLE other_admin SUPERUSER")
        try:
            yield both
        finally:
            both.as_admin(0, "DROP OWNED BY only_here, other_admin", "DROP ROLE only_here, other_admin")


NEEDED = {
    "a table": ("GRANT SELECT ON t TO only_here", "table public.t"),
    "a column": ("GRANT UPDATE (s) ON t TO only_here", "table column public.t.s"),
    "a sequence": ("GRANT USAGE ON SEQUENCE q TO only_here", "sequence public.q"),
    "a schema": ("GRANT USAGE ON SCHEMA apart TO only_here", "schema apart"),
    "a function": ("GRANT EXECUTE ON FUNCTION f() TO only_here", "function public.f()"),
    "a type": ("GRANT USAGE ON TYPE mood TO only_here", "type public.mood"),
    "a large object": ("GRANT SELECT ON LARGE OBJECT 4711 TO only_here", "large object 4711"),
    "a language": ("GRANT USAGE ON LANGUAGE plpgsql TO only_here", "language plpgsql"),
    "a default privilege": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE portal GRANT SELECT ON TABLES TO only_here",
        "default acl for role portal on tables",
    ),
    "a policy": ("CREATE POLICY p ON t TO only_here USING (true)", "policy p on public.t"),
}


@pytest.mark.parametrize("kind", NEEDED)
def test_a_role_that_only_the_source_has_is_named_with_what_names_it(kind: str, sides: Sides) -> None:
    made, name = NEEDED[kind]
    before = found(sides)
    with planted(sides, made, "DROP POLICY IF EXISTS p ON t; DROP OWNED BY only_here"):
        seen = found(sides)
        with planted(sides, "CREATE ROLE only_here", "DROP ROLE only_here", side=1):
            declared = found(sides)
    assert "target-roles" not in before
    assert "target-roles" not in declared
    assert seen["target-roles"].severity is Severity.BLOCKER
    assert f"only_here ({name})" in seen["target-roles"].what
    assert "declare them" in seen["target-roles"].next


def test_rights_on_what_is_not_carried_need_no_role(sides: Sides) -> None:
    rights = "GRANT USAGE ON SCHEMA public TO only_here; GRANT SELECT ON pg_catalog.pg_largeobject TO only_here"
    with planted(sides, f"{rights}; GRANT CONNECT ON DATABASE portal TO only_here", "DROP OWNED BY only_here"):
        assert "target-roles" not in found(sides)


OWNED = {
    "a table": ("CREATE TABLE theirs ()", "table public.theirs"),
    "a function": ("CREATE FUNCTION theirs() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "function public.theirs()"),
    "a type": ("CREATE TYPE theirs AS ENUM ('a')", "type public.theirs"),
    "a schema": ("CREATE SCHEMA theirs", "schema theirs"),
    "a large object": ("SELECT lo_create(4712)", "large object 4712"),
}


@pytest.mark.parametrize("owner", ["postgres", "other_admin"])
@pytest.mark.parametrize("kind", OWNED)
def test_what_belongs_to_another_is_named_also_to_a_superuser(kind: str, owner: str, sides: Sides) -> None:
    made, name = OWNED[kind]
    kinds = {"a large object": "SELECT lo_unlink(4712)", "a function": "DROP FUNCTION theirs()"}
    mended = kinds.get(kind, f"DROP {made.split()[1]} theirs")
    with planted(sides, f"SET ROLE {owner}; {made}", mended):
        seen = found(sides)["source-other-owners"]
    assert (seen.severity, f"{name} ({owner})" in seen.what) == (Severity.BLOCKER, True)
    assert "source-other-owners" not in found(sides)


def test_default_privileges_of_another_are_named_and_how_they_go(sides: Sides) -> None:
    made = "ALTER DEFAULT PRIVILEGES FOR ROLE only_here GRANT SELECT ON TABLES TO PUBLIC"
    with planted(sides, made, "DROP OWNED BY only_here"):
        seen = found(sides)["source-other-owners"]
    assert "default acl for role only_here on tables (only_here)" in seen.what
    assert "ALTER DEFAULT PRIVILEGES" in seen.next


def test_what_nobody_carries_may_belong_to_anybody(sides: Sides) -> None:
    made = """SET ROLE other_admin; CREATE EXTENSION pg_trgm; CREATE PUBLICATION theirs;
        CREATE FUNCTION apart.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER theirs ON ddl_command_end EXECUTE FUNCTION apart.e();
        ALTER FUNCTION apart.e() OWNER TO portal"""
    mended = "DROP EVENT TRIGGER theirs; DROP FUNCTION apart.e(); DROP PUBLICATION theirs; DROP EXTENSION pg_trgm"
    with planted(sides, made, mended):
        assert "source-other-owners" not in found(sides)


def test_the_schema_that_a_superusers_temporary_table_left_is_not_carried(sides: Sides) -> None:
    sides.as_admin(0, "CREATE TEMPORARY TABLE passing (id integer)")
    assert "source-other-owners" not in found(sides)
