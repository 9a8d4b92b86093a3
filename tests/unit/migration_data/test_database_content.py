"""What a copy would lose, planted on two real servers: each is named, and a plain database has nothing to say."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from migration.model.words import Severity
from migration.movers import identity, link, stream
from tests.support import two_databases
from tests.support.findings import found
from tests.support.two_databases import Pair, Sides

PLAIN = """
SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text);
-- Both are functions in the language `internal`, which is a superuser's otherwise.
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE AGGREGATE product(numeric) (sfunc = numeric_mul, stype = numeric); RESET ROLE
"""


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, PLAIN) as both:
        yield both


_RAW = """
    CREATE FUNCTION raw() RETURNS integer LANGUAGE internal AS 'pg_backend_pid'; ALTER FUNCTION raw() OWNER TO portal
"""
_EVENT = "SET ROLE portal; CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; RESET ROLE"
_FIRE = "SET ROLE portal; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
_WOKEN = "CREATE TRIGGER w BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE {} TRIGGER w"
_KEYLESS = "CREATE DOMAIN doc AS json; CREATE TABLE keyless (d doc, l json[])"
_CONFIGURED = """
    ALTER EXTENSION plpgsql ADD TABLE t; INSERT INTO t VALUES (1, 'theirs'), (7, 'ours%'), (8, 'ours');
    UPDATE pg_extension SET extconfig = ARRAY['t'::regclass::oid],
        extcondition = ARRAY['WHERE id > 5 AND s LIKE ''o%''']
"""
_PLAIN_AGAIN = """
    UPDATE pg_extension SET extconfig = NULL, extcondition = NULL; ALTER EXTENSION plpgsql DROP TABLE t; TRUNCATE t
"""
PLANTS = {
    "forced-row-security": (
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "ALTER TABLE t DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        "public.t",
    ),
    "superuser-objects": (_RAW, "DROP FUNCTION raw()", "function public.raw in internal"),
    "column-options": (
        "UPDATE pg_attribute SET attoptions = '{other=1}' WHERE attrelid = 't'::regclass AND attname = 's'",
        "UPDATE pg_attribute SET attoptions = '{n_distinct=5}' WHERE attrelid = 't'::regclass AND attname = 's'",
        "public.t.s (other=1)",
    ),
    "event-triggers": (
        f"{_EVENT}; CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION e()",
        "DROP EVENT TRIGGER seen; DROP FUNCTION e()",
        "seen",
    ),
    "connection-limits": (
        "ALTER DATABASE portal CONNECTION LIMIT 50; ALTER ROLE portal CONNECTION LIMIT 40",
        "ALTER DATABASE portal CONNECTION LIMIT -1; ALTER ROLE portal CONNECTION LIMIT -1",
        "database portal has 50, role portal has 40",
    ),
    "always-triggers": (f"{_FIRE}; {_WOKEN.format('ALWAYS')}", "DROP TRIGGER w ON t; DROP FUNCTION f()", "public.t.w"),
    "replica triggers": (
        f"{_FIRE}; {_WOKEN.format('REPLICA')}",
        "DROP TRIGGER w ON t; DROP FUNCTION f()",
        "public.t.w",
    ),
    "unlogged-tables": ("CREATE UNLOGGED TABLE u ()", "DROP TABLE u", "1 unlogged"),
    "table-cannot-follow": (_KEYLESS, "DROP TABLE keyless; DROP DOMAIN doc", "public.keyless"),
    "source-other-owners": ("CREATE TABLE theirs ()", "DROP TABLE theirs", "public.theirs"),
    "extension-rows": (_CONFIGURED, _PLAIN_AGAIN, "2 rows that users put into public.t of extension plpgsql"),
}


def test_a_plain_database_has_nothing_to_say(sides: Sides) -> None:
    assert found(sides) == {}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_case_is_named_with_what_to_do(plant: str, sides: Sides) -> None:
    made, mended, expected = PLANTS[plant]
    owned = "SET ROLE portal; " if plant in ("unlogged-tables", "table-cannot-follow") else ""
    sides.as_admin(0, owned + made)
    try:
        seen = found(sides)
    finally:
        sides.as_admin(0, mended)
    code = "always-triggers" if plant == "replica triggers" else plant
    assert set(seen) == {code}
    assert expected in seen[code].what
    warned = ("connection-limits", "event-triggers", "always-triggers", "unlogged-tables")
    assert (seen[code].severity is Severity.WARNING) == (code in warned)
    assert seen[code].next
    assert found(sides) == {}


def test_rows_of_an_extension_that_the_target_has_too_need_nothing(sides: Sides) -> None:
    sides.as_admin(0, _CONFIGURED)
    sides.as_admin(1, "CREATE TABLE t (id integer, s text)", "INSERT INTO t VALUES (7, 'ours%')")
    sides.as_admin(1, "GRANT SELECT ON t TO dcshift_migration")
    assert "the target has 1" in found(sides)["extension-rows"].what
    sides.as_admin(1, "INSERT INTO t VALUES (8, 'ours'), (1, 'theirs')")
    assert found(sides) == {}
    sides.as_admin(0, "REVOKE ALL ON t FROM portal", "ALTER TABLE t OWNER TO postgres")
    assert "could not be counted: permission denied" in found(sides)["extension-rows"].what
    sides.as_admin(0, "ALTER TABLE t OWNER TO portal", _PLAIN_AGAIN)
    sides.as_admin(1, "DROP TABLE t")


def test_a_collation_that_the_target_lacks_forbids_the_move(sides: Sides) -> None:
    sides.as_admin(0, "CREATE COLLATION pg_catalog.only_here (locale = 'C')")
    sides.as_admin(0, "ALTER TABLE t ADD x text COLLATE only_here")
    seen = found(sides)
    sides.as_admin(0, "ALTER TABLE t DROP x", "DROP COLLATION pg_catalog.only_here")
    assert seen["target-collations"].severity is Severity.BLOCKER
    assert "only_here" in seen["target-collations"].what


def test_publishing_lets_every_update_of_the_source_go_on(sides: Sides) -> None:
    keyless = (
        "CREATE TABLE bare (v integer)",
        "CREATE TABLE late (id integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v integer)",
        "CREATE TABLE none (id integer PRIMARY KEY, v integer); ALTER TABLE none REPLICA IDENTITY NOTHING",
        "CREATE TABLE lost (id integer NOT NULL, v integer); CREATE UNIQUE INDEX gone ON lost (id)",
        "ALTER TABLE lost REPLICA IDENTITY USING INDEX gone; DROP INDEX gone",
    )
    sides.as_admin(0, "SET ROLE portal; " + "; ".join(keyless))
    given = identity.give(sides.source)
    stream.publish(sides.source, "dcshift")
    try:
        assert given == ["public.bare", "public.late", "public.lost", "public.none"]
        with sides.pair[0].admin("portal", "portal") as owner:
            for table in ("bare", "late", "lost", "none"):
                try:
                    owner.execute(f"UPDATE {table} SET v = 1; DELETE FROM {table}".encode())
                except psycopg.Error as refused:
                    pytest.fail(f"our publication made an UPDATE of {table} fail: {refused}")
    finally:
        link.run(sides.source, "DROP PUBLICATION dcshift")
        assert identity.put_back(sides.source) == 4
        sides.as_admin(0, "DROP TABLE bare, late, lost, none")
