"""Databases move between two MariaDB servers under an application that writes; killed, cut over, brought back."""

from __future__ import annotations

import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.mariadb_server import programs
from migration.errors import BlockedError
from migration.movers.mariadb import __main__ as mover
from migration.movers.mariadb import claim
from migration.movers.mariadb.events import ARMED
from tests.support import mariadb as support
from tests.support.mariadb import DATABASES, Pair, Writer, numbers, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(programs() is None, reason="no MariaDB server here: make setup"),
]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        both = support.start(Path(folder))
        yield both
        for server in (both.source, both.target):
            server.stop()


@pytest.fixture
def traces(pair: Pair) -> Iterator[dict[str, Any]]:
    """What the source held before; after the test it must hold nothing else."""
    before = pair.traces()
    yield before
    with claim.held(pair.job()) as turn:
        if turn.claim is not None and turn.claim.target_serves:
            mover._DO["back"](turn)
        mover.undo(turn)
    assert pair.traces() == before
    assert [name for (name,) in pair.target.run("SHOW DATABASES") if name in (*DATABASES, "dcshift")] == []


def events(server: Any, state: str) -> list[str]:
    query = f"SELECT EVENT_NAME FROM information_schema.EVENTS WHERE STATUS = '{state}' ORDER BY 1"
    return [name for (name,) in server.run(query)]


def test_databases_move_exactly_are_cut_over_and_brought_back_though_the_mover_is_killed(
    pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    with Writer(pair.source) as writer:
        for phase in ("rows", "floating numbers"):
            killed = run(pair.job(), tmp_path, kill_at=phase)
            assert killed.status == -9, killed.text
        ended = run(job := pair.job(), tmp_path)
        assert ended.status == 0, ended.text
        assert ended.last["result"]["rows_mended"] > 500
        # A rerun of a copy that follows only follows; one whose turn is over is refused.
        assert "bytes" not in run(job, tmp_path).last["result"]
        stale = run(job.model_copy(update={"token": job.token - 1}), tmp_path, "cut")
        assert stale.last["error"]["code"] == "turn-over"
        proved = run(job, tmp_path, "prove")
        assert proved.status == 0, proved.text
        assert events(pair.target, ARMED) == []

        _killed_in_the_hold_it_is_cut_over_all_the_same(pair, tmp_path)
        assert events(pair.source, ARMED) == []
        assert events(pair.target, ARMED) == ["tick"]
        assert pair.target.run("SELECT @@GLOBAL.event_scheduler") == [("ON",)]
        refused = writer.refused
        _until(lambda: writer.refused > refused)  # the source takes no writes
        at_the_cut = len(writer.acknowledged)
        writer.server = pair.target
        _until(lambda: len(writer.acknowledged) > at_the_cut + 50)
        assert run(pair.job(), tmp_path).last["error"]["code"] == "target-handed-over"
        assert run(pair.job(), tmp_path, "undo").last["error"]["code"] == "target-handed-over"
        assert run(pair.job(), tmp_path, "prove").status == 0

        back = run(pair.job(), tmp_path, "back")
        assert back.status == 0, back.text
        writer.server = pair.source
        at_the_return = len(writer.acknowledged)
        _until(lambda: len(writer.acknowledged) > at_the_return + 20)
    assert events(pair.source, ARMED) == ["tick"]
    there = numbers(pair.source)
    assert set(writer.acknowledged) <= set(there)
    assert run(pair.job(), tmp_path).status == 0
    assert numbers(pair.target) == numbers(pair.source)


def _killed_in_the_hold_it_is_cut_over_all_the_same(pair: Pair, tmp_path: Path) -> None:
    killed = run(pair.job(), tmp_path, "cut", kill_at="way back")
    assert killed.status == -9, killed.text
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(1,)]
    # Whoever only wants to follow lets citizens in again; told to end, a cut does so by itself.
    assert run(pair.job(), tmp_path).status == 0
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(0,)]
    told = run(pair.job(), tmp_path, "cut", kill_at="proof", by=signal.SIGTERM)
    assert told.status == 143, told.text
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(0,)]
    assert events(pair.source, ARMED) == ["tick"]
    decided = run(pair.job(), tmp_path, "cut", kill_at="target serves")
    assert decided.status == -9, decided.text
    ended = run(pair.job(), tmp_path, "cut")
    assert ended.status == 0, ended.text
    assert ended.last["result"]["serves"] == "target"


def _until(done: Any, seconds_max: float = 120.0) -> None:
    deadline = time.monotonic() + seconds_max
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_difference_is_named_by_row_and_column_without_a_value_and_forbids_the_cut(
    pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    assert run(pair.job(), tmp_path).status == 0
    planted = {
        "table portal.dossier: row with key hash .* differs in `weight`": "UPDATE dossier SET weight = weight + 1e-15"
        " WHERE weight BETWEEN 0.3 AND 0.4 LIMIT 1",
        "table portal.digits: row with key hash .* missing on the target": "DELETE FROM digits WHERE i = 7",
        "table portal.month: row with key hash .* only on the target": "INSERT INTO month VALUES (9, '2026-03-01')",
        "table portal.visit: row with key hash .*": "DELETE FROM visit WHERE page = 'một' LIMIT 1",
    }
    for statement in planted.values():
        pair.target.run(statement, "portal", unlogged=True)
    proved = run(pair.job(), tmp_path, "prove")
    assert proved.last["error"]["code"] == "copy-differs"
    (rows,) = [line["proof"] for line in proved.said if line.get("proof", {}).get("name") == "rows"]
    found = "\n".join(rows["differences"])
    for named in planted:
        assert re.search(named, found), found
    assert "thửa" not in found
    assert "một" not in proved.text
    refused = run(pair.job(), tmp_path, "cut")
    assert refused.last["error"]["code"] == "copy-differs"
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(0,)]
    assert events(pair.source, ARMED) == ["tick"]


@pytest.mark.parametrize("program", ["mariadb-dump", "mariadb"])
def test_a_program_that_says_yes_and_does_nothing_is_not_believed(
    program: str, *, pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    liars = tmp_path / "liars"
    liars.mkdir()
    for name in {"mariadb-dump", "mariadb"} - {program}:
        (liars / name).symlink_to(pair.target.programs.folder / name)
    (liars / program).write_text(f"#!/bin/sh\ncat > /dev/null; echo lied >> {liars}/lies; exit 0\n")
    (liars / program).chmod(0o755)
    ended = run(pair.job(programs=liars), tmp_path)
    assert ended.last["error"]["code"] == "program-not-believed", ended.text
    assert (liars / "lies").read_text(), "nobody lied: the test proves nothing"


def test_a_dump_that_ends_early_and_says_yes_is_not_believed(
    pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    liars = tmp_path / "liars"
    liars.mkdir()
    (liars / "mariadb").symlink_to(pair.target.programs.folder / "mariadb")
    true = pair.target.programs.folder / "mariadb-dump"
    (liars / "mariadb-dump").write_text(
        f"#!/bin/sh\n{true} \"$@\" | sed '/^-- Table structure for table .visit/,$d'; exit 0\n"
    )
    (liars / "mariadb-dump").chmod(0o755)
    ended = run(pair.job(programs=liars), tmp_path)
    assert ended.last["error"]["code"] == "program-not-believed", ended.text


def test_a_hold_that_takes_too_long_is_taken_back(pair: Pair, tmp_path: Path, traces: dict[str, Any]) -> None:
    assert run(pair.job(), tmp_path).status == 0
    ended = run(pair.job(hold_seconds_max=0.01), tmp_path, "cut")
    assert ended.last["error"]["code"] == "mariadb-hold-too-long", ended.text
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(0,)]
    assert events(pair.source, ARMED) == ["tick"]


def test_whoever_writes_at_the_follower_is_named_and_the_cut_refused(
    pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    assert run(pair.job(), tmp_path).status == 0
    pair.target.run("INSERT INTO portal.digits VALUES (12)")
    ended = run(pair.job(), tmp_path, "cut")
    assert ended.last["error"]["code"] == "mariadb-follower-written", ended.text
    assert run(pair.job(), tmp_path, "undo").status == 0
    pair.target.run("RESET MASTER")


def test_a_log_that_ends_with_what_does_not_move_is_followed_back_and_cut_over_again(
    pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    pair.source.run("SET GLOBAL event_scheduler = OFF")
    try:
        assert run(pair.job(), tmp_path).status == 0
        pair.source.run("CREATE USER late@localhost; DROP USER late@localhost")
        cut = run(pair.job(), tmp_path, "cut")
        assert cut.status == 0, cut.text
        pair.target.run("INSERT INTO portal.digits VALUES (14)")
        for verb in ("back", "cut", "back"):
            ended = run(pair.job(), tmp_path, verb)
            assert ended.status == 0, ended.text
        assert pair.source.run("SELECT i FROM portal.digits WHERE i > 9") == [(14,)]
        pair.source.run("DELETE FROM portal.digits WHERE i > 9")
    finally:
        pair.source.run("SET GLOBAL event_scheduler = ON")


HARD = {
    "mariadb-engine": "CREATE TABLE portal.old (i int PRIMARY KEY) ENGINE=MyISAM",
    "mariadb-versioned": "CREATE TABLE portal.kept (i int PRIMARY KEY) WITH SYSTEM VERSIONING",
    "mariadb-float": "CREATE TABLE portal.loose (f float)",
    "mariadb-definer": "CREATE DEFINER=gone@localhost PROCEDURE portal.lost() SELECT 1",
    "mariadb-view-broken": "CREATE VIEW portal.bad AS SELECT i FROM portal.old2",
    "mariadb-other-databases": "CREATE DATABASE another",
    "mariadb-log-format": "SET GLOBAL binlog_format = MIXED",
    "mariadb-event-asleep": "CREATE EVENT portal.dozing ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1",
    "mariadb-prepared-transactions": "",
    "target-not-empty": "",
    "mariadb-gtid-clash": "",
    "mariadb-scheduler": "",
    "mariadb-packet": "",
    "mariadb-triggers-twice": "",
}


def test_everything_that_forbids_it_is_told_at_once_and_nothing_is_left(
    pair: Pair, tmp_path: Path, traces: dict[str, Any]
) -> None:
    source, target = pair.source, pair.target
    source.run("CREATE TABLE portal.old2 (i int)")
    for statement in filter(None, HARD.values()):
        source.run(statement)
    source.run("DROP TABLE portal.old2")
    with source.session("portal") as prepared:
        cursor = prepared.cursor()
        for statement in ("XA START 'x'", "INSERT INTO digits VALUES (13)", "XA END 'x'", "XA PREPARE 'x'"):
            cursor.execute(statement)
        target.run("SET SESSION server_id = 77; CREATE DATABASE others")
        target.run("SET GLOBAL event_scheduler = ON; SET GLOBAL max_allowed_packet = 1048576")
        target.run("SET GLOBAL slave_run_triggers_for_rbr = YES")
        try:
            told = run(pair.job(), tmp_path, "check")
            moved = run(pair.job(), tmp_path)
        finally:
            cursor.execute("XA ROLLBACK 'x'")
            source.run(
                "DROP TABLE portal.old, portal.kept, portal.loose; DROP PROCEDURE portal.lost; DROP VIEW portal.bad;"
                "DROP DATABASE another; SET GLOBAL binlog_format = ROW; DROP EVENT portal.dozing"
            )
            target.run(
                "DROP DATABASE others; SET GLOBAL event_scheduler = OFF; SET GLOBAL max_allowed_packet = 16777216;"
                "SET GLOBAL slave_run_triggers_for_rbr = NO; RESET MASTER"
            )
    for ended in (told, moved):
        assert ended.status == BlockedError.exit_code, ended.text
        why = ended.last["error"]["why"]
        assert [code for code in HARD if code not in why] == [], why
    assert {line["finding"]["code"] for line in told.said if "finding" in line} >= set(HARD)


def test_a_retired_source_holds_nothing_of_ours(pair: Pair, tmp_path: Path) -> None:
    before = pair.traces()
    assert run(pair.job(), tmp_path).status == 0
    assert run(pair.job(), tmp_path, "cut").status == 0
    assert run(pair.job(), tmp_path, "retire").status == 0
    try:
        asleep = [(schema, name, state.replace("ENABLED", "SLAVESIDE_DISABLED"), who) for schema, name, state, who in
                  before["events"]]  # fmt: skip
        assert pair.traces() == before | {"read-only": [(1,)], "events": asleep}
        assert pair.target.run("SHOW DATABASES LIKE 'dcshift'") == []
        assert pair.target.run("SELECT User FROM mysql.user WHERE User LIKE 'dcshift%'") == []
        assert events(pair.target, ARMED) == ["tick"]
        assert pair.target.run("SELECT @@GLOBAL.read_only") == [(0,)]
    finally:
        pair.source.run("SET GLOBAL read_only = OFF; ALTER DEFINER = app@`%` EVENT portal.tick ENABLE", unlogged=True)
        for database in DATABASES:
            pair.target.run(f"DROP DATABASE `{database}`", unlogged=True)
        pair.target.run("SET GLOBAL event_scheduler = OFF; RESET MASTER")
