"""What ends a copy of a database though every program did its work: each end is planted on two real servers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from migration.adapters import postgres as moments
from migration.adapters.clock import SystemClock
from migration.adapters.postgres import Place
from migration.errors import StepFailed
from migration.movers import built, claim, indexes, link, stream
from migration.movers.job import PostgresJob
from tests.support import two_databases
from tests.support.two_databases import SOURCE_ROLE, Pair, Sides

TABLE = "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text); RESET ROLE;"
# Sorted by a rule that is changed after the index was built: what another C library does to an index of text.
RULED = """
CREATE TABLE word (w text);
INSERT INTO word SELECT chr(122 - i) FROM generate_series(1, 20) i;
CREATE FUNCTION rule(a text, b text) RETURNS integer LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN a COLLATE "C" < b COLLATE "C" THEN -1 WHEN a COLLATE "C" > b COLLATE "C" THEN 1 ELSE 0 END $$;
CREATE OPERATOR CLASS ruled FOR TYPE text USING btree AS
    OPERATOR 1 <, OPERATOR 3 =, OPERATOR 5 >, FUNCTION 1 rule(text, text);
CREATE UNIQUE INDEX word_once ON word (w ruled);
CREATE OR REPLACE FUNCTION rule(a text, b text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';
"""
# While one index is built, the other one is made invalid again, as only a server gone wrong would do.
SPOILT = """
CREATE FUNCTION spoil(other text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
    $$ BEGIN UPDATE pg_index SET indisvalid = false WHERE indexrelid = ('public.' || other)::regclass; END $$;
CREATE FUNCTION odd(i integer, other text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM public.spoil(other); RETURN i; END $$;
SET ROLE portal;
CREATE INDEX a_one ON t (odd(id, 'b_one')); CREATE INDEX b_one ON t (odd(id, 'a_one')); INSERT INTO t VALUES (1, 'x');
RESET ROLE;
"""


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, TABLE, TABLE) as both:
        yield both


def job(sides: Sides) -> PostgresJob:
    here, there = sides.pair
    source, target = here.endpoint("portal", SOURCE_ROLE), there.endpoint("portal", "dcshift_migration")
    return PostgresJob(
        system="portal", token=1, source=source, target=target, feed=source, owner="portal", name="dcshift_portal"
    )


def test_a_session_of_an_earlier_mover_that_does_not_end_is_named(sides: Sides) -> None:
    with link.connect(job(sides).source, program="dcshift-mover-portal") as left:
        # A server's process that the kernel does not let go on hears of no wish to end it.
        os.kill(left.info.backend_pid, signal.SIGSTOP)
        try:
            with pytest.raises(StepFailed) as told:
                claim.end_sessions(sides.source, "dcshift-mover-portal", seconds_max=0.5)
        finally:
            os.kill(left.info.backend_pid, signal.SIGCONT)
        assert told.value.code == "leftover-session"
        assert f"[{left.info.backend_pid}]" in told.value.why
        assert claim.end_sessions(sides.source, "dcshift-mover-portal") in (0, 1)


def test_an_index_that_the_new_order_forbids_is_named(sides: Sides) -> None:
    with sides.pair[1].admin("portal") as target:
        target.execute(RULED.encode())
        try:
            with pytest.raises(StepFailed) as told:
                indexes.heal(target, library_changed=False)
        finally:
            target.execute("DROP TABLE word; DROP OPERATOR FAMILY ruled USING btree; DROP FUNCTION rule")
        assert told.value.code == "index-not-rebuilt"
        assert "public.word_once" in told.value.what
        assert "could not create unique index" in told.value.why
        # amcheck was there for as long as it was needed.
        assert target.execute("SELECT FROM pg_extension WHERE extname = 'amcheck'").fetchall() == []


def test_an_index_that_stays_invalid_after_it_was_built_anew_is_named(sides: Sides) -> None:
    sides.as_admin(1, SPOILT)
    try:
        with pytest.raises(StepFailed) as told:
            built.rebuild(job(sides), sides.source, sides.target)
    finally:
        sides.as_admin(1, "TRUNCATE t; DROP INDEX a_one, b_one; DROP FUNCTION odd, spoil")
    assert told.value.code == "index-stays-invalid"
    assert re.search(r'the catalogue still says so: "public"."[ab]_one"$', told.value.why)


def test_what_the_target_lacks_of_indexes_and_constraints_is_named(sides: Sides) -> None:
    sides.as_admin(0, "SET ROLE portal; CREATE INDEX t_s ON t (s); ALTER TABLE t ADD CONSTRAINT short CHECK (s < 'z')")
    try:
        wanted = built.definitions(sides.source)
    finally:
        sides.as_admin(0, "DROP INDEX t_s; ALTER TABLE t DROP CONSTRAINT short")
    with pytest.raises(StepFailed) as told:
        built.prove(job(sides), wanted)
    assert told.value.code == "target-not-built"
    assert "index public.t_s: missing on the target" in told.value.why
    assert "constraint public.t.short: missing on the target" in told.value.why
    assert built.prove(job(sides), built.definitions(sides.source)) == 2


def test_two_databases_that_are_never_seen_at_one_moment_are_not_compared(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "_ATTEMPTS", 2)
    # Both sides are one database, so that what is marked arrives at once; only the lock is never given.
    place = Place(job(sides).source, "portal", SOURCE_ROLE)
    stream.publish(sides.source, "dcshift")
    try:
        with sides.pair[0].admin("portal") as other, other.transaction():
            other.execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
            with pytest.raises(StepFailed) as told, moments.moment(place, place, SystemClock(), frozen=False):
                pytest.fail("it was opened")
        with moments.moment(place, place, SystemClock(), frozen=False) as opened:
            assert opened.source.rows("SELECT 1") == [(1,)]
    finally:
        link.run(sides.source, "DROP PUBLICATION dcshift")
    assert told.value.code == "no-common-moment"
    assert "2 times" in told.value.why
