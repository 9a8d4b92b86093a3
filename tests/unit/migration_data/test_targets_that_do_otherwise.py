"""A target that does otherwise than it says: a session that stays, a setting that is not kept, values written anew."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from migration.adapters import database_target
from migration.errors import StepFailed
from migration.verification import odd_rows
from tests.support import two_databases
from tests.support.two_databases import Pair, Sides

TABLE = "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text); INSERT INTO t VALUES (1, 'một'); RESET ROLE"


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, TABLE, TABLE) as both:
        yield both


def test_a_session_that_does_not_end_is_named_before_the_target_counts_as_closed(sides: Sides) -> None:
    """Its process stands still, as one that waits for a disk: it hears that it is to end, and does not."""
    with sides.pair[1].admin("portal", "portal") as application:
        (process,) = application.execute("SELECT pg_backend_pid()").fetchone() or ()
        os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(StepFailed, match="did not end") as stays:
                database_target._end_sessions(sides.target, "portal", seconds_max=0.2)
        finally:
            os.kill(process, signal.SIGCONT)
    assert stays.value.code == "target-session-stays"
    assert "1 sessions of portal" in stays.value.what


def test_a_setting_that_was_taken_and_reads_as_before_is_not_believed(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_target.link, "run", lambda *_: None)
    with pytest.raises(StepFailed, match="did not become read-only") as refused:
        database_target.set_read_only(sides.target, "portal", True)
    assert refused.value.code == "target-setting-not-kept"


def test_rows_of_servers_that_write_one_value_differently_are_not_called_odd(sides: Sides) -> None:
    sides.as_admin(
        1,
        "CREATE FUNCTION otherwise(date) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$",
        "CREATE CAST (date AS text) WITH FUNCTION otherwise(date)",
    )
    try:
        with sides.moment() as moment, pytest.raises(StepFailed, match="cannot be said which rows") as refused:
            odd_rows.find(moment)
    finally:
        sides.as_admin(1, "DROP CAST (date AS text)", "DROP FUNCTION otherwise(date)")
    assert refused.value.code == "not-comparable"
    with sides.moment() as moment:
        assert odd_rows.find(moment) == []
