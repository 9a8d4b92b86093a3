"""Wires, disks and slots that give way under a copy: it ends with its reason or goes on, and the next one is exact."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from lab.command import run
from migration.errors import StepFailed
from migration.model.words import ProbeState
from migration.movers import link, postgres
from tests.support import local_servers as servers
from tests.support.cut_wire import cut
from tests.support.moving import failed
from tests.support.refused import AT_WORK, FEW, SLOW, Case, Pair, begun, meanwhile, until
from tests.support.small_disk import mounted

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
MIB = 1024**2
MORE = """
INSERT INTO big SELECT i, repeat(md5(i::text), 30) FROM generate_series(4001, 24000) i;
"""
# For three seconds, whoever listens or not: a session that is cut off itself cannot be told to write.
WRITES = """
DO $$ BEGIN FOR i IN 1..30 LOOP
    INSERT INTO dossier (name) VALUES ('trong lúc đứt ' || i); COMMIT; PERFORM pg_sleep(0.1);
END LOOP; END $$
"""
KEPT = "SELECT snapshot_xmin FROM dcshift.claim"


@pytest.fixture
def case(pair: Pair, tmp_path: Path) -> Iterator[Case]:
    with begun(pair, tmp_path) as made:
        yield made


@contextlib.contextmanager
def log_on_a_small_disk(server: servers.Server, free_megabytes: int) -> Iterator[Callable[[int], None]]:
    """Let a server's log lie on a disk with so much room; yields what makes so much more."""
    log = server.folder / "data" / "pg_wal"
    server.stop()
    used = sum(file.stat().st_size for file in log.rglob("*") if file.is_file()) // MIB
    kept = log.rename(log.with_name("pg_wal_kept"))
    with mounted(log, used + free_megabytes) as grow:
        run(["cp", "-a", f"{kept}/.", log])
        try:
            server.start()
            yield lambda more: grow(used + free_megabytes + more)
        finally:
            server.stop()
            shutil.rmtree(kept)
            run(["cp", "-a", f"{log}/.", kept])
    log.rmdir()
    kept.rename(log)
    server.start()


def revive(server: servers.Server) -> None:
    """Start a server that has ended, or wait until one that ended all of its sessions lets somebody in again."""
    end = time.monotonic() + 120
    while True:
        if server.process.poll() is not None:
            server.start()
        with contextlib.suppress(psycopg.OperationalError):
            return server.admin().close()
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_source_whose_disk_is_filled_by_its_log_is_named_and_copied_when_it_has_room(
    pair: Pair, tmp_path: Path
) -> None:
    source = pair[0]

    def fill(_: object) -> None:
        with contextlib.suppress(psycopg.Error), source.admin("portal") as admin:
            while True:
                admin.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 4000000))")

    with log_on_a_small_disk(source, 64) as grow, begun(pair, tmp_path) as case:
        case.limit.write_text(SLOW)
        with meanwhile(pair[1], AT_WORK, fill):
            error = case.ends()
        assert error["code"] in ("database-failed", "mover-program-failed")
        assert "No space left on device" in (source.folder / "log").read_text(errors="replace")
        # It stands, or it comes back as full as before: nobody can promise what became of the slot, so it is said.
        assert "could not be taken away" in error["state"] or "nothing of the copy is left" in error["state"]
        if source.process.poll() is not None:
            assert "could not be taken away" in error["state"]
            assert "database-not-read" in case.blockers()
        grow(400)
        revive(source)
        case.assert_exact()


def test_a_target_whose_disk_is_full_is_named_and_filled_when_it_has_room(pair: Pair, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="dcshift-test-") as place:
        Path(place).chmod(0o755)
        disk = Path(place) / "disk"
        with mounted(disk, 24) as grow, pair[1].admin() as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{disk}'".encode())
            try:
                with begun(pair, tmp_path, target="TABLESPACE small", sample=FEW + MORE) as case:
                    error = case.ends()
                    assert (error["code"], "No space left on device" in error["why"]) == ("mover-program-failed", True)
                    assert case.move.replicated().state is ProbeState.NOT_DONE
                    case.assert_source_as_prepared()
                    grow(200)
                    case.assert_exact()
            finally:
                admin.execute("DROP DATABASE IF EXISTS portal WITH (FORCE)")
                admin.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_a_wire_that_is_cut_in_the_middle_of_a_copy_ends_it_soon_and_the_next_is_exact(
    case: Case, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "SILENCE_SECONDS_MAX", 2)
    monkeypatch.setattr(link, "HOLD_SILENCE_SECONDS_MAX", 2)
    case.limit.write_text(SLOW)
    cut_at = list[float]()

    def cut_off(over: threading.Event) -> None:
        cut_at.append(time.monotonic())
        with cut(case.pair[side].port):
            over.wait(120)

    with meanwhile(case.pair[1], AT_WORK, cut_off):
        error = case.ends()
        took = time.monotonic() - cut_at[0]
    assert error["code"] == "database-failed"
    assert took < 300, "a kernel would have waited a quarter of an hour, and so did we"
    left = "could not be taken away" if side == 0 else "nothing of the copy is left at the source"
    assert left in error["state"]
    if side == 1:
        case.assert_source_as_prepared()
    case.assert_exact()


def test_a_stream_that_is_cut_off_goes_on_by_itself_and_nothing_is_missing(case: Case) -> None:
    source, target = case.pair
    # Each end gives the other up within the cut.
    soon = ["wal_sender_timeout = '2s'"], ["wal_receiver_timeout = '2s'", "wal_retrieve_retry_interval = '1s'"]
    for server, settings in zip(case.pair, soon, strict=True):
        with server.admin() as admin:
            for setting in settings:
                admin.execute(f"ALTER SYSTEM SET {setting}".encode())
            admin.execute("SELECT pg_reload_conf()")
    try:
        case.assert_exact()
        with target.admin("portal") as admin:
            before = admin.execute(KEPT.encode()).fetchone()
        with source.admin("portal") as writer:
            at_work = threading.Thread(target=writer.execute, args=(WRITES.encode(),))
            at_work.start()
            until(source, "SELECT count(*) > 1 FROM dossier WHERE name LIKE 'trong%'")
            with cut(source.port):
                time.sleep(5)
            at_work.join(300)
        until(target, "SELECT count(*) FROM dossier WHERE name LIKE 'trong%'", 30)
        assert failed(case.move.prove(frozen=False)) == []
        postgres.move(case.job())
        with target.admin("portal") as admin:
            assert admin.execute(KEPT.encode()).fetchone() == before, "it was copied anew"
    finally:
        for server in case.pair:
            with server.admin() as admin:
                for setting in ("wal_sender_timeout", "wal_receiver_timeout", "wal_retrieve_retry_interval"):
                    admin.execute(f"ALTER SYSTEM RESET {setting}".encode())
                admin.execute("SELECT pg_reload_conf()")


def test_a_slot_that_somebody_dropped_is_told_and_the_next_copy_is_exact(case: Case) -> None:
    case.assert_exact()
    with case.pair[0].admin("portal") as admin:
        admin.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
        until(case.pair[0], "SELECT count(*) FROM pg_replication_slots WHERE active", 0)
        admin.execute("SELECT pg_drop_replication_slot('dcshift_portal')")
    lost(case)
    case.assert_exact()


def test_a_slot_whose_log_the_source_took_away_is_told_and_the_next_copy_is_exact(case: Case) -> None:
    case.assert_exact()
    case.as_admin(1, "ALTER SUBSCRIPTION dcshift_portal DISABLE")
    with case.pair[0].admin("portal") as admin:
        admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        admin.execute("SELECT pg_reload_conf()")
        until(case.pair[0], "SELECT current_setting('max_slot_wal_keep_size')", "1MB")
        for _ in range(3):
            admin.execute("SELECT pg_logical_emit_message(true, 'test', 'x')")
            admin.execute("SELECT pg_switch_wal()")
        admin.execute("CHECKPOINT")
        until(case.pair[0], "SELECT wal_status FROM pg_replication_slots", "lost")
        admin.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        admin.execute("SELECT pg_reload_conf()")
        until(case.pair[0], "SELECT current_setting('max_slot_wal_keep_size')", "-1")
    lost(case)
    case.assert_exact()


def lost(case: Case) -> None:
    """Assert that whoever asks is told that the stream cannot go on."""
    assert "no longer keeps the changes" in case.blockers()["stream-lost"]
    assert case.move.replicated().state is ProbeState.NOT_DONE
    job = case.job()
    with (
        link.session(job.source, program=job.program) as source,
        link.session(job.target, program=job.program) as target,
        pytest.raises(StepFailed) as told,
    ):
        postgres.catch_up(job, source, target)
    assert told.value.code == "stream-lost"
