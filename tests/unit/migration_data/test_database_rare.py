"""Rare objects that no dump carries or no owner may make, planted on two real servers: each is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.model.words import Severity
from migration.movers import casts
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

BLOCKER, WARNING, INFO = Severity.BLOCKER, Severity.WARNING, Severity.INFO
# What an owner may have of these kinds, and a dump carries.
PLAIN = """
SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text);
CREATE TYPE paper AS (a integer); CREATE TYPE span AS RANGE (subtype = numeric);
CREATE FUNCTION read(text) RETURNS paper LANGUAGE sql IMMUTABLE AS 'SELECT ROW(1)::public.paper';
CREATE CAST (text AS paper) WITH FUNCTION read(text) AS IMPLICIT; CREATE CAST (paper AS text) WITH INOUT;
CREATE FUNCTION near(paper, paper) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR ~~~ (LEFTARG = paper, RIGHTARG = paper, FUNCTION = near, COMMUTATOR = ~~~);
CREATE CONVERSION bytes FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = pg_catalog.simple);
CREATE TEXT SEARCH DICTIONARY stock (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION vi (COPY = simple); ALTER TEXT SEARCH CONFIGURATION vi
    ALTER MAPPING FOR word WITH plain, stock; RESET ROLE
"""
HANDLER = "CREATE LANGUAGE {} HANDLER plpgsql_call_handler"
CAST = "CREATE CAST (varchar AS integer) WITH INOUT AS IMPLICIT"
IMPLICIT = """
CREATE FUNCTION pg_catalog.text(integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT textin(int4out($1))'
"""
CONTEXT = "UPDATE pg_cast SET castcontext = '{}' WHERE castsource = 'float8'::regtype AND casttarget = 'int4'::regtype"
FAMILY = "ALTER OPERATOR FAMILY integer_ops USING btree {}"
MEMBER = """
CREATE FUNCTION apart(integer, numeric) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';
ALTER FUNCTION apart(integer, numeric) OWNER TO portal;
"""
LABEL = "INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 0, 'guard', 'secret')"
SYNONYMS = "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = synonym, SYNONYMS = synonym_sample)"
MISSING = f"SET ROLE portal; {SYNONYMS}; RESET ROLE; " + (
    "UPDATE pg_ts_dict SET dictinitoption = 'synonyms = ''tu_dong_nghia''' WHERE dictname = 'd'"
)
PLANTS = {
    "casts-refused": (CAST, "DROP CAST (varchar AS integer)", BLOCKER,
        'not on the target: pg_catalog."varchar" to pg_catalog.int4'),
    "a cast without a function": ("CREATE CAST (span AS text) WITHOUT FUNCTION", "DROP CAST (span AS text)", BLOCKER,
        "public.span to pg_catalog.text"),
    "casts-changed": (CONTEXT.format("i"), CONTEXT.format("a"), BLOCKER,
        "double precision to integer anywhere, there in assignments"),
    "objects-in-pg-catalog": (IMPLICIT, "DROP FUNCTION pg_catalog.text(integer)", BLOCKER,
        "1 objects were put among the server's own, which no dump carries: function pg_catalog.text(integer)"),
    "operator-families": (MEMBER + FAMILY.format("ADD FUNCTION 1 (integer, numeric) apart(integer, numeric)"),
        FAMILY.format("DROP FUNCTION 1 (integer, numeric)") + "; DROP FUNCTION apart(integer, numeric)", BLOCKER,
        "integer_ops USING btree"),
    "security-labels": (LABEL, "DELETE FROM pg_seclabel", WARNING, "guard of table public.t"),
    "database-comment": ("COMMENT ON DATABASE portal IS 'Hồ sơ'", "COMMENT ON DATABASE portal IS NULL", INFO,
        "'Hồ sơ'"),
    "text-search-files": (MISSING, "DROP TEXT SEARCH DICTIONARY d", BLOCKER, "tu_dong_nghia.syn"),
    "files nobody compares": (f"SET ROLE portal; {SYNONYMS}; RESET ROLE", "DROP TEXT SEARCH DICTIONARY d", WARNING,
        "public.d (synonyms = 'synonym_sample')"),
    "a language": (HANDLER.format("other"), "DROP LANGUAGE other", BLOCKER, "language other"),
    "an access method": ("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "DROP ACCESS METHOD heap2", BLOCKER, "access method heap2"),
    "a parser": ("CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
        " LEXTYPES = prsd_lextype)", "DROP TEXT SEARCH PARSER p", BLOCKER, "text search parser public.p"),
    "a template": ("CREATE TEXT SEARCH TEMPLATE p (LEXIZE = dsimple_lexize)", "DROP TEXT SEARCH TEMPLATE p", BLOCKER,
        "text search template public.p"),
    "a family": ("CREATE OPERATOR FAMILY mine USING btree", "DROP OPERATOR FAMILY mine USING btree", BLOCKER,
        "operator family public.mine USING btree"),
    "a transform": ("CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL"
        " WITH FUNCTION int4recv(internal))", "DROP TRANSFORM FOR integer LANGUAGE sql", BLOCKER,
        "transform for integer"),
}  # fmt: skip
CODES = {
    "a cast without a function": "casts-refused",
    "files nobody compares": "text-search-files",
    **dict.fromkeys(
        ("a language", "an access method", "a parser", "a template", "a family", "a transform"), "superuser-objects"
    ),
}


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, PLAIN) as both:
        yield both


def test_what_an_owner_may_make_and_a_dump_carries_needs_no_word(sides: Sides) -> None:
    assert found(sides) == {}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_rare_object_is_named_with_what_to_do(plant: str, sides: Sides) -> None:
    made, mended, severity, said = PLANTS[plant]
    with planted(sides, made, mended):
        seen = found(sides)
    assert set(seen) == {CODES.get(plant, plant)}
    (one,) = seen.values()
    assert (one.severity, bool(one.next)) == (severity, True)
    assert said in one.what


@pytest.mark.parametrize("plant", ["casts-refused", "casts-changed", "objects-in-pg-catalog"])
def test_what_a_superuser_made_on_the_target_likewise_forbids_nothing(plant: str, sides: Sides) -> None:
    made, mended, *_ = PLANTS[plant]
    with planted(sides, made, mended), planted(sides, made, mended, side=1):
        assert found(sides) == {}
        lacking, there = casts.refused(sides.source, sides.target)
    assert (lacking, len(there)) == ([], plant == "casts-refused")


def test_a_cast_that_the_target_has_for_other_occasions_is_still_named(sides: Sides) -> None:
    made, mended, *_ = PLANTS["casts-refused"]
    with planted(sides, made, mended), planted(sides, made.replace("IMPLICIT", "ASSIGNMENT"), mended, side=1):
        assert set(found(sides)) == {"casts-refused"}


def test_tablespaces_are_told(sides: Sides) -> None:
    with sides.pair[0].admin() as admin:
        admin.execute("SET allow_in_place_tablespaces = on")
        admin.execute("CREATE TABLESPACE fast LOCATION ''")
    try:
        with planted(sides, "ALTER TABLE t SET TABLESPACE fast", "ALTER TABLE t SET TABLESPACE pg_default"):
            seen = found(sides)
    finally:
        with sides.pair[0].admin() as admin:
            admin.execute("DROP TABLESPACE fast")
    assert set(seen) == {"tablespaces"}
    assert (seen["tablespaces"].severity, "public.t in fast" in seen["tablespaces"].what) == (INFO, True)


def test_trying_a_dictionary_leaves_nothing_on_the_target(sides: Sides) -> None:
    made, mended, *_ = PLANTS["files nobody compares"]
    with planted(sides, made, mended):
        found(sides)
    with sides.pair[1].admin("portal") as admin:
        assert admin.execute("SELECT dictname FROM pg_ts_dict WHERE oid >= 16384").fetchall() == []
