"""Real copies beside a source that is busy: they wait meanwhile, go on when it is calm, end where people want it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lab.store_server import Store
from migration.adapters.database import PostgresMove
from migration.errors import StepFailed
from migration.model.words import ProbeState, Progress
from migration.movers import limits, throttle
from migration.movers.database_load import DatabaseLoad
from migration.movers.limits import Limits, Reading, Unread
from tests.support import local_servers as servers
from tests.support.moving_files import failed, make, tree
from tests.support.patience import until

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]
MIB = 1024**2
SLOW = 400_000


@pytest.fixture
def move(pair: Pair, new_move: PostgresMove) -> PostgresMove:
    with pair[0].admin("portal") as admin:  # at the limit more than two minutes
        admin.execute("CREATE TABLE more AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 60000) i")
        admin.execute("ALTER TABLE more OWNER TO portal")
        admin.execute("ALTER TABLE more ADD PRIMARY KEY (i)")
    new_move.prepare()
    return new_move


@contextmanager
def at_work(server: servers.Server, sessions: int) -> Iterator[None]:
    """Keep so many sessions of another role and another database at work."""
    server.role("reader")
    every = [server.admin("postgres", "reader") for _ in range(sessions)]

    def work(connection: psycopg.Connection) -> None:
        try:
            connection.execute("SELECT pg_sleep(300)")
        except psycopg.Error:
            return

    threads = [threading.Thread(target=work, args=(each,)) for each in every]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        for connection in every:
            connection.cancel()
        for each in threads:
            each.join(10)
        for connection in every:
            connection.close()


class Copy:
    """A replication on its way, with what it says of itself."""

    def __init__(self, replicate: Callable[[Callable[[Progress], None]], object], pool: ThreadPoolExecutor) -> None:
        self.said: Progress | None = None
        self.task: Future[object] = pool.submit(replicate, self._hear)

    def _hear(self, progress: Progress) -> None:
        self.said = progress

    def until(self, true: Callable[[Progress], bool], seconds: float = 240.0) -> Progress:
        end = time.monotonic() + seconds
        while self.said is None or not true(self.said):
            assert time.monotonic() < end, self.said
            assert not self.task.done(), self.task.exception()
            time.sleep(0.05)
        return self.said


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    made = ThreadPoolExecutor(1)
    yield made
    made.shutdown(wait=False, cancel_futures=True)  # a copy that a failed test left behind is ended by its own fixture


def slots(server: servers.Server) -> int:
    with server.admin("portal") as admin:
        return len(admin.execute("SELECT FROM pg_replication_slots").fetchall())


def test_a_copy_waits_while_its_source_is_busy_and_goes_on_when_it_is_calm(
    pair: Pair, move: PostgresMove, pool: ThreadPoolExecutor
) -> None:
    folder = move._context.state_folder
    (folder / throttle.FILE).write_text(str(SLOW))
    (folder / limits.FILE).write_text(Limits(wait_load=2.0).as_json())
    with at_work(pair[0], 4):
        copy = Copy(move.replicate, pool)
        said = copy.until(lambda p: p.waits is not None)
        assert said.what == "before the copy"
        assert str(said.waits).startswith("source load 4.0 above 2.0 since ")
        assert slots(pair[0]) == 0, "who waits before the copy costs the source nothing"
        (folder / limits.FILE).write_text("")
        copy.until(lambda p: p.what == "rows" and p.done > 0 and p.waits is None)
        (folder / limits.FILE).write_text(Limits(wait_load=2.0).as_json())
        waiting = copy.until(lambda p: p.what == "rows" and p.waits is not None)
        assert waiting.rate_per_second is None
        counts = list[int]()

        def rests() -> bool:
            """What lies in the pipes arrives; then nothing more does, as long as it says that it waits."""
            time.sleep(3.0)
            counts.append(copy.until(lambda p: p.waits is not None).done)
            return counts[-2:] == [counts[-1]] * 2

        until(rests, "it copied while it said that it waits")
        (folder / throttle.FILE).write_text("")
    copy.until(lambda p: p.waits is None or "or less for 10 s is wanted" in p.waits)
    copy.task.result(300)
    assert move.replicated().state is ProbeState.DONE
    assert all(proof.passed for proof in move.prove(frozen=False))


ASKED = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%dcshift.source_load()%' AND pid <> pg_backend_pid()"


def test_a_comparison_spares_its_source_until_the_freeze_and_leaves_the_stream_alone(
    pair: Pair, move: PostgresMove, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    move.replicate(lambda _: None)
    folder = move._context.state_folder
    # A log that is kept is the stream's: no reason to end a comparison.
    (folder / limits.FILE).write_text(Limits(wait_load=2.0, stop_log_bytes=MIB).as_json())
    with at_work(pair[0], 4), pair[0].admin("portal") as admin:
        compared = pool.submit(move.prove, frozen=False)
        end = time.monotonic() + 240
        while admin.execute(ASKED.encode()).fetchone() != (1,):
            assert time.monotonic() < end
            time.sleep(0.02)
        admin.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 10000000))")
        time.sleep(2.0)
        assert not compared.done(), "it compared while the source was busy"
        # Nothing is held meanwhile: no snapshot keeps the source from tidying up.
        assert admin.execute("SELECT count(*) FROM pg_stat_activity WHERE state ~ 'idle in trans'").fetchone() == (0,)
        assert failed(move.prove(frozen=True)) == [], "citizens wait for this one: it asks nobody"
        (folder / limits.FILE).write_text("")
        assert failed(compared.result(240)) == []
        monkeypatch.setattr(limits, "STOP_SECONDS", 0.5)
        (folder / limits.FILE).write_text(Limits(wait_load=3.0, stop_load=3.0).as_json())
        given_up = move.prove(frozen=False)
    assert {proof.sentence for proof in given_up} == {"the comparison could not be made"}
    assert "source load 4.0 above 3.0" in given_up[0].differences[0]
    assert slots(pair[0]) == 1, "the stream goes on"
    (folder / limits.FILE).write_text("")
    assert move.replicated().state is ProbeState.DONE


def test_a_comparison_keeps_to_the_bytes_a_second_that_people_allow(move: PostgresMove, pair: Pair) -> None:
    move.replicate(lambda _: None)
    with pair[0].admin("portal") as admin:
        (largest,) = admin.execute("SELECT pg_relation_size('more')").fetchone()
    (move._context.state_folder / throttle.FILE).write_text(str(largest // 2))
    rows = move.prove(frozen=False)[0]
    assert rows.passed
    # The largest table is paid for before the next one begins; the last ones are not paid for.
    assert rows.figures["seconds"] > 1.9
    # In a freeze nobody is asked: at this limit the table alone would take an hour.
    (move._context.state_folder / throttle.FILE).write_text(str(throttle.BYTES_PER_SECOND_MIN))
    assert move.prove(frozen=True)[0].passed


def test_a_copy_for_which_the_source_keeps_too_much_log_ends_and_leaves_nothing_there(
    pair: Pair, move: PostgresMove, pool: ThreadPoolExecutor
) -> None:
    folder = move._context.state_folder
    (folder / throttle.FILE).write_text(str(SLOW))
    (folder / limits.FILE).write_text(Limits(stop_log_bytes=8 * MIB).as_json())
    copy = Copy(move.replicate, pool)
    copy.until(lambda p: p.what == "rows" and p.done > 0)
    with pair[0].admin("portal") as admin:
        admin.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 10000000))")
        admin.execute("SELECT pg_switch_wal()")
    with pytest.raises(StepFailed) as stopped:
        copy.task.result(240)
    assert stopped.value.code == "source-spared"
    assert "of log for the copy, more than 8.0 MiB" in stopped.value.why
    assert "its slot is gone" in stopped.value.state
    assert slots(pair[0]) == 0
    with pair[0].admin("portal") as admin:
        query = "SELECT application_name FROM pg_stat_activity WHERE usename = 'dcshift_portal'"
        # A server's process ends a moment after its client.
        until(lambda: admin.execute(query).fetchall() == [], "sessions of the copy are left at the source")
    for file in (throttle.FILE, limits.FILE):
        (folder / file).write_text("")
    move.replicate(lambda _: None)
    assert all(proof.passed for proof in move.prove(frozen=False))


def test_a_replica_that_falls_behind_is_seen(pair: Pair, move: PostgresMove, tmp_path: Path) -> None:
    asked = DatabaseLoad(move._job())
    assert asked.read() == Reading(0.0)
    binary = pair[0].binaries / "pg_receivewal"
    program = str(binary) if binary.exists() else "pg_receivewal"
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(pair[0].port), "PGUSER": "postgres", "PGPASSWORD": servers.PASSWORD}
    words = [program, "-D", str(tmp_path), "--synchronous", "--no-loop"]
    replica = subprocess.Popen(words, env={**os.environ, **where, "PGAPPNAME": "second-site", "PGSSLMODE": "disable"})
    try:
        end = time.monotonic() + 120
        while not isinstance(read := asked.read(), Reading) or read.replica is None or read.lag_bytes != 0:
            assert time.monotonic() < end, read
            time.sleep(0.2)
        assert read.replica == "second-site"
        replica.send_signal(signal.SIGSTOP)
        with pair[0].admin("portal") as admin:
            admin.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 5000000))")
        read = asked.read()
        assert isinstance(read, Reading)
        assert 5_000_000 <= (read.lag_bytes or 0) < 50_000_000
    finally:
        replica.kill()
        replica.wait(10)
    with pair[0].admin("portal") as admin:
        admin.execute("DROP FUNCTION dcshift.source_load()")
    unread = asked.read()
    assert isinstance(unread, Unread)
    assert "source_load() does not exist" in unread.why
    asked.close()


def test_files_are_read_while_their_host_is_calm_and_not_while_it_is_busy(
    store: Store, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    source = tree(tmp_path / "uploads")
    made = make(store, source, tmp_path)
    loaded = tmp_path / "loadavg"
    # Nobody can make a kernel's mean of a minute what a test wants: over there `cat` tells what the test wrote.
    (tmp_path / "cat").write_text(f'#!/bin/sh\n[ "$*" = /proc/loadavg ] || exit 9\nexec /bin/cat {loaded}\n')
    (tmp_path / "cat").chmod(0o755)
    loaded.write_text("9.00 1.00 1.00 3/300 4242\n")
    made.prepare()
    folder = made._context.state_folder
    (folder / limits.FILE).write_text(Limits(wait_load=2.0).as_json())
    copy = Copy(made.replicate, pool)
    said = copy.until(lambda p: p.waits is not None)
    assert (said.what, str(said.waits)[:26]) == ("reading the source", "source load 9.0 above 2.0 ")
    brought = made._jobs[0].tree
    time.sleep(2.0)
    assert list(brought.iterdir()) == []
    (folder / limits.FILE).write_text(Limits(wait_load=10.0).as_json())
    copy.task.result(240)
    assert failed(made.prove(frozen=False, full=True)) == []
