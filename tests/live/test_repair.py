"""Real databases that differ: a repair makes the target what the source is, also under writes and after dying."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from migration.adapters import database_repair
from migration.adapters.database import PostgresMove
from migration.adapters.database_repair import Repair
from migration.adapters.repair_batch import Batch, Target
from migration.errors import StepFailed
from migration.model.repair import OddRows, Repaired
from migration.movers.link import Connection
from migration.verification.odd_rows import ROWS_MAX, OddTable
from migration.verification.rows import Table
from tests.support import local_servers as servers
from tests.support.moving import database_move, failed
from tests.support.writer import Writer

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]


@pytest.fixture(scope="module")
def following(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresMove]:
    """A portal that follows its source."""
    servers.new_databases(*pair, "portal", servers.SAMPLE)
    made = database_move(*pair, tmp_path_factory.mktemp("work"))
    made.prepare()
    made.replicate(lambda _: None)
    yield made
    made._units.stop("portal-database")


@pytest.fixture
def move(following: PostgresMove) -> Iterator[PostgresMove]:
    yield following
    for _ in range(3):
        if not (odd := following.odd_rows()):
            return
        following.repair(odd)
    raise AssertionError(odd)


def spoil(pair: Pair, *statements: str) -> None:
    """Change the target as nobody may: past its triggers and references."""
    with pair[1].admin("portal") as admin:
        admin.execute("SET session_replication_role = replica")
        for statement in statements:
            admin.execute(statement.encode())


def odd(found: list[OddRows] | Any) -> dict[str, tuple[int, int, int]]:
    return {each.table: (len(each.changed), len(each.missing), len(each.extra)) for each in found}


def test_rows_of_every_kind_become_what_the_source_has_and_nothing_else_is_touched(
    pair: Pair, move: PostgresMove
) -> None:
    with pair[0].admin("portal") as admin:
        before = admin.execute("SELECT xmin::text, ctid::text FROM dossier ORDER BY id").fetchall()
    spoil(
        pair,
        "UPDATE dossier SET fee = fee + 1, weight = '-0', tags = '[0:1]={a,b}', name = name || ' ' WHERE id IN (7, 8)",
        "UPDATE dossier SET phone = NULL, form = '{}', duo = NULL WHERE id = 9",
        # A row and what refers to it, and one that refers to what is nowhere.
        "DELETE FROM dossier WHERE id BETWEEN 17 AND 19",
        "DELETE FROM event WHERE dossier_id BETWEEN 17 AND 19",
        "INSERT INTO event (id, dossier_id, note) OVERRIDING SYSTEM VALUE VALUES (900001, 900001, 'lạ')",
        # Without a key rows count by how often they are there.
        "INSERT INTO access_log SELECT * FROM access_log WHERE ctid IN (SELECT ctid FROM access_log LIMIT 3)",
        "DELETE FROM unique_only WHERE code = 'y'",
        "UPDATE month SET v = 1.00 WHERE v = 1",
        "DELETE FROM month WHERE id IN (40, 41)",
        "UPDATE ONLY base SET v = 'BASE'",
        "DELETE FROM child",
        'UPDATE "Hồ sơ ""cũ""" SET "tên đầy đủ" = $$ba$$ WHERE "số" = 1',
        'UPDATE "Đất đai".thua SET ve = NULL',
        # Its trigger would count once more.
        "DELETE FROM counted WHERE id = 1",
        "UPDATE counted SET n = 99 WHERE id = 2",
    )
    found = move.odd_rows()
    expected = {
        "public.dossier": (3, 3, 0),
        "public.unique_only": (0, 1, 0),
        "public.base": (1, 0, 0),
        "public.child": (0, 1, 0),
        'public."Hồ sơ ""cũ"""': (1, 0, 0),
        '"Đất đai".thua': (1, 0, 0),
        "public.counted": (1, 1, 0),
    }
    counts = odd(found)
    assert expected.items() <= counts.items()
    # Without a key equal rows have one hash: three rows more may be three of one kind.
    assert 1 <= counts["public.access_log"][2] <= 3
    changed, missing, extra = counts["public.event"]
    assert (changed, extra) == (0, 1)
    assert missing >= 6
    done = move.repair(found)
    assert (done.healed, done.left, done.appeared) == (0, 0, 0)
    assert done.deleted >= 4
    assert failed(move.prove(frozen=False)) == []
    with pair[0].admin("portal") as admin:
        assert admin.execute("SELECT xmin::text, ctid::text FROM dossier ORDER BY id").fetchall() == before
    with pair[1].admin("portal") as admin:
        assert admin.execute("SELECT n FROM counted ORDER BY id").fetchall() == [(1,), (6,)]
    # The stream goes on over what was repaired.
    with pair[0].admin("portal") as admin:
        admin.execute("UPDATE dossier SET fee = fee + 1 WHERE id IN (7, 17)")
        admin.execute("DELETE FROM access_log WHERE ctid = (SELECT min(ctid) FROM access_log)")
    assert failed(move.prove(frozen=False)) == []


def test_a_repair_under_writes_ends_equal(pair: Pair, move: PostgresMove) -> None:
    with Writer(pair[0]) as writer:
        writer.must_come_back()
        spoil(
            pair,
            "UPDATE dossier SET fee = fee + 7 WHERE id BETWEEN 1 AND 200",  # those that the writer changes
            "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id DESC LIMIT 50)",
            "DELETE FROM access_log WHERE ctid IN (SELECT ctid FROM access_log LIMIT 5)",
        )
        rounds, before = list[Repaired](), len(writer.acknowledged)
        while found := move.odd_rows():
            rounds.append(move.repair(found))
            assert len(rounds) < 10, rounds
        assert failed(move.prove(frozen=False)) == []
        came = len(writer.acknowledged) - before
    assert came > 50, "a repair stopped a writer of the source"
    assert failed(move.prove(frozen=False)) == []


def test_what_heals_by_itself_and_what_comes_between_the_looks_is_left_alone(pair: Pair, move: PostgresMove) -> None:
    spoil(pair, "UPDATE dossier SET fee = fee + 1 WHERE id IN (31, 32)")
    agreed = move.odd_rows()
    assert odd(agreed) == {"public.dossier": (2, 0, 0)}
    spoil(pair, "UPDATE dossier SET fee = fee - 1 WHERE id = 31", "UPDATE dossier SET fee = fee + 1 WHERE id = 33")
    assert move.repair(agreed) == Repaired(written=1, deleted=0, healed=1, left=0, appeared=1)
    assert odd(move.odd_rows()) == {"public.dossier": (1, 0, 0)}


def test_values_are_said_to_who_asks_for_them_and_to_nobody_else(pair: Pair, move: PostgresMove) -> None:
    spoil(
        pair, "UPDATE dossier SET fee = 77.70, phone = NULL WHERE id = 1035", "DELETE FROM unique_only WHERE code = 'x'"
    )
    silent = "\n".join(failed(move.prove(frozen=False)))
    assert "differs in phone, fee" in silent
    assert "77.70" not in silent
    said = [line.strip() for line in failed(move.prove(frozen=False, values=True))]
    assert "source: id = '1035', phone = '0000001035', fee = '1552.50'" in said
    assert "target: id = '1035', phone = NULL, fee = '77.70'" in said
    assert "source: code = 'x', v = '1'" in said


def after_the_second_look(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    look, looks = Repair._look, list[int]()

    def wrapped(self: Repair) -> list[OddTable]:
        found = look(self)
        looks.append(1)
        if len(looks) == 2:
            act()
        return found

    monkeypatch.setattr(Repair, "_look", wrapped)


def test_a_row_that_the_source_changes_after_the_look_is_not_overwritten(
    pair: Pair, move: PostgresMove, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later value is on its way, or has passed already: what was read before it must not come after it."""
    spoil(pair, "UPDATE dossier SET fee = fee + 1 WHERE id = 41", "DELETE FROM event WHERE id = 10042")

    def change() -> None:
        with pair[0].admin("portal", "portal") as application:
            application.execute("UPDATE dossier SET fee = 4141 WHERE id = 41")
            application.execute("UPDATE event SET note = 'sau' WHERE id = 10042")
        wait_for(pair[1], "SELECT fee = 4141 FROM dossier WHERE id = 41")

    after_the_second_look(monkeypatch, change)
    done = move.repair(move.odd_rows())
    assert (done.written, done.left) == (0, 2)
    monkeypatch.undo()
    assert odd(move.odd_rows()) == {"public.event": (0, 1, 0)}
    assert move.repair(move.odd_rows()).written == 1
    assert failed(move.prove(frozen=False)) == []


def wait_for(server: servers.Server, question: str) -> None:
    end = time.monotonic() + 120
    with server.admin("portal") as admin:
        while admin.execute(question.encode()).fetchone() != (True,):
            assert time.monotonic() < end, question
            time.sleep(0.02)


def test_a_repair_that_is_killed_between_and_inside_its_batches_is_ended_by_the_next(
    pair: Pair, move: PostgresMove, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(
        pair,
        "UPDATE dossier SET fee = fee + 1 WHERE id BETWEEN 51 AND 60",
        "DELETE FROM event WHERE id BETWEEN 10051 AND 10055",
    )
    monkeypatch.setattr(database_repair, "BATCH_ROWS", 3)
    found = move.odd_rows()
    do, batches = Batch.do, list[int]()

    def dying(self: Batch) -> int:
        done = do(self)
        batches.append(done)
        if len(batches) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    if not (child := os.fork()):
        try:
            monkeypatch.setattr(Batch, "do", dying)
            move.repair(found)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = move.odd_rows()
    assert sum(map(sum, odd(left).values())) == 15 - 6
    done = move.repair(left)
    assert (done.written, done.left) == (9, 0)
    assert failed(move.prove(frozen=False)) == []


def test_what_nobody_could_repair_is_refused_and_changes_nothing(pair: Pair, move: PostgresMove) -> None:
    many = f"WHERE id BETWEEN 2000 AND {2000 + ROWS_MAX}"
    spoil(pair, f"UPDATE dossier SET fee = fee + 1 {many}")
    with pytest.raises(StepFailed) as refused:
        move.odd_rows()
    spoil(pair, f"UPDATE dossier SET fee = fee - 1 {many}")
    assert refused.value.code == "too-much-to-repair"
    spoil(pair, "UPDATE dossier SET fee = fee + 1 WHERE id = 61")
    found = move.odd_rows()
    with pair[0].admin("portal") as admin:
        admin.execute("UPDATE dcshift.settings SET turn = 9")
        try:
            with pytest.raises(StepFailed, match="turn 1 is over") as refused:
                move.repair(found)
        finally:
            admin.execute("UPDATE dcshift.settings SET turn = 1")
    assert refused.value.code == "repair-broken-off"
    assert odd(move.odd_rows()) == odd(found)


def test_a_target_that_was_handed_over_is_not_repaired(pair: Pair, move: PostgresMove) -> None:
    spoil(pair, "UPDATE dossier SET fee = fee + 1 WHERE id = 71")
    found = move.odd_rows()
    move.fence()
    move.hand_over()
    try:
        for act in (move.odd_rows, lambda: move.repair(found)):
            with pytest.raises(StepFailed) as refused:
                act()
            assert refused.value.code == "target-not-following"
    finally:
        move.take_back()
        move.unfence()


def test_a_trigger_that_comes_between_the_question_and_the_lock_is_found_by_the_rows_that_were_not_written(
    pair: Pair, move: PostgresMove, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
    spoil(pair, "UPDATE dossier SET name = name || ' ' WHERE id = 7", nothing)
    of = Target.of

    def late(target: Connection, table: Table) -> Target:
        found = of(target, table)
        trigger = "CREATE OR REPLACE TRIGGER late BEFORE UPDATE ON dossier FOR EACH ROW EXECUTE FUNCTION nothing()"
        spoil(pair, trigger)
        return found

    monkeypatch.setattr(Target, "of", late)
    found = move.odd_rows()
    try:
        with pytest.raises(StepFailed) as refused:
            move.repair(found)
    finally:
        monkeypatch.undo()
        spoil(pair, "DROP TRIGGER IF EXISTS late ON dossier", "DROP FUNCTION nothing()")
    assert (refused.value.code, "0 of 1 were written" in refused.value.why) == ("rows-not-written", True)
    assert odd(move.odd_rows()) == {"public.dossier": (1, 0, 0)}
