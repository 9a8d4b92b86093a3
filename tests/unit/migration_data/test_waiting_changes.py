"""The last look into the log of a source at rest, on a real server: it sees what was written, and waits for nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from migration.movers import link, stream
from tests.support import two_databases
from tests.support.two_databases import SOURCE_ROLE, Pair, Sides

_SLOT = "last_look"
_TABLES = """
SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY); RESET ROLE;
CREATE PUBLICATION last_look FOR TABLE t;
"""


@pytest.fixture
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, _TABLES) as both:
        both.as_admin(0, f"SELECT pg_create_logical_replication_slot('{_SLOT}', 'pgoutput')")
        yield both
        both.as_admin(0, f"SELECT pg_drop_replication_slot('{_SLOT}')")


def looked(sides: Sides) -> dict[str, int]:
    endpoint = sides.pair[0].endpoint("portal", SOURCE_ROLE)
    with link.session(endpoint, program="test", statement_seconds=60) as source:
        return stream.waiting_changes(source, _SLOT, "last_look", seconds_max=60)


def test_what_was_written_is_counted(sides: Sides) -> None:
    assert looked(sides) == {}
    sides.as_admin(0, "INSERT INTO t SELECT generate_series(1, 7)")
    assert looked(sides) == {"public.t": 7}


def test_a_log_that_ends_within_a_record_is_not_waited_for(sides: Sides) -> None:
    """A reader that was rolled back leaves such an end: whole pages are flushed by themselves, the rest by a commit."""
    with sides.pair[0].admin("portal") as reader:
        until, ends = time.monotonic() + 120, "SELECT pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn()"
        while not 0 < (unflushed := reader.execute(ends).fetchone()[0]) < 8192:  # type: ignore[index]
            assert time.monotonic() < until, "no such end came about"
            if unflushed == 0:  # also if somebody else of the server has flushed all of it meanwhile
                reader.execute("BEGIN")
                reader.execute("SELECT pg_logical_emit_message(false, 'unflushed', repeat('x', 100000))")
                reader.execute("ROLLBACK")
            time.sleep(0.05)
        assert looked(sides) == {}
