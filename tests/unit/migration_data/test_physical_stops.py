"""What ends a physical move between its programs: each end is planted on a real server or a real folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from migration.adapters import physical_proof
from migration.errors import StepFailed, UsageError
from migration.movers import cluster, link, physical, standby, upgrade
from migration.movers.link import Connection
from migration.movers.physical_job import MovedDatabase, PhysicalJob
from tests.support import two_databases
from tests.support.two_databases import SOURCE_ROLE, Pair, Sides

DATABASES = ("portal", "feedback")
# Found before the server's own, by the path of the migration's role.
NOT_ADVANCED = f"""
CREATE SCHEMA liars; GRANT USAGE ON SCHEMA liars TO PUBLIC;
CREATE FUNCTION liars.pg_replication_slot_advance(name, pg_lsn) RETURNS pg_lsn LANGUAGE sql AS 'SELECT $2';
ALTER ROLE {SOURCE_ROLE} IN DATABASE portal SET search_path = liars, pg_catalog
"""
ADVANCED = f"ALTER ROLE {SOURCE_ROLE} IN DATABASE portal RESET search_path; DROP SCHEMA liars CASCADE"
LAST_WORD = "1\t{}\tbefore LSN {}\n"


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, "SELECT") as both:
        pair[0].database("feedback")
        pair[0].install("feedback", SOURCE_ROLE)
        yield both
        with pair[0].admin() as admin:
            admin.execute("DROP DATABASE feedback WITH (FORCE)")


def job(sides: Sides, folder: Path, **other: Any) -> PhysicalJob:
    source = sides.pair[0].endpoint("portal", SOURCE_ROLE).model_copy(update={"tls_mode": "require"})
    moved = [MovedDatabase(database=name, system=name, owner=name, name=f"dcshift_{name}") for name in DATABASES]
    words = {"system": "both", "token": 1, "source": source, "feed": source, "databases": tuple(moved)}
    words |= {"folder": folder, "source_binaries": sides.pair[0].binaries, "target_binaries": sides.pair[1].binaries}
    return PhysicalJob(**{**words, **other})


def slots(sides: Sides) -> list[str]:
    with sides.pair[0].admin() as admin:
        return [name for (name,) in admin.execute("SELECT slot_name FROM pg_replication_slots").fetchall()]


@contextmanager
def without_slots(sides: Sides) -> Iterator[None]:
    try:
        yield
    finally:
        with sides.pair[0].admin() as admin:
            admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


@pytest.mark.parametrize("there", [False, True], ids=["dropped", "without a place"])
def test_a_standby_whose_slot_is_gone_is_given_up(there: bool, sides: Sides, tmp_path: Path) -> None:
    order = job(sides, tmp_path / "pg")
    with without_slots(sides):
        if there:
            link.rows(sides.source, "SELECT pg_create_physical_replication_slot(%s)", (order.physical_slot,))
        with pytest.raises(StepFailed) as told:
            standby._wait_until_close(order, sides.source, lambda: None)
    assert told.value.code == "physical-slot-lost"
    assert order.physical_slot in told.value.what


def test_a_standby_that_nobody_feeds_is_given_up_after_its_time(sides: Sides, tmp_path: Path) -> None:
    order = job(sides, tmp_path / "pg", catch_up_seconds_max=0.3)
    with without_slots(sides):
        link.rows(sides.source, "SELECT pg_create_physical_replication_slot(%s, true)", (order.physical_slot,))
        with pytest.raises(StepFailed) as told:
            standby._wait_until_close(order, sides.source, lambda: None)
    assert told.value.code == "standby-too-slow"


def test_slots_that_did_not_go_to_one_place_are_no_cut(sides: Sides, tmp_path: Path) -> None:
    order = job(sides, tmp_path / "pg")
    with without_slots(sides):
        # A server that says that it moved a slot, and did not.
        sides.as_admin(0, NOT_ADVANCED)
        try:
            with pytest.raises(StepFailed) as told:
                standby.cut(order)
        finally:
            sides.as_admin(0, ADVANCED)
        assert told.value.code == "slots-apart"
        assert "dcshift_portal" in told.value.why
    with without_slots(sides):
        at = standby.cut(order)
        assert sorted(slots(sides)) == ["dcshift_feedback", "dcshift_portal"]
        assert standby.place(at.lsn) > 0


class Copy:
    """A server that is none's standby, as a copy is after its recovery."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    @contextmanager
    def session(self, database: str) -> Iterator[Connection]:
        yield self._sides.source


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (None, "its history says: no history"),
        (LAST_WORD.format("0/2000000", "0/2000100"), "before LSN 0/2000100"),
        (LAST_WORD.format("0/4000000", "0/4000100"), "before LSN 0/4000100"),
        ("1\t0/3000000\tno recovery target specified\n", "no recovery target specified"),
        (LAST_WORD.format("0/2FFFF00", "0/3000100"), None),
    ],
    ids=["no end", "before the cut", "behind it", "at the end of the log", "at the cut"],
)
def test_a_recovery_that_ended_elsewhere_is_not_believed(
    last: str | None, why: str | None, sides: Sides, tmp_path: Path
) -> None:
    order = job(sides, tmp_path / "pg")
    (order.base / "pg_wal").mkdir(parents=True)
    if last is not None:
        (order.base / "pg_wal/00000002.history").write_text(last)
    at = standby.Cut("0/3000000", 700)
    if why is None:
        standby._believe(order, Copy(sides), at)
        return
    with pytest.raises(StepFailed) as told:
        standby._believe(order, Copy(sides), at)
    assert (told.value.code, why in told.value.why) == ("cut-missed", True)


def test_a_program_of_the_upgrade_that_fails_is_told_with_its_own_words(sides: Sides) -> None:
    with tempfile.TemporaryDirectory(dir=sides.pair[0].folder.parent) as folder:  # its user may go there
        order = job(sides, Path(folder))
        order.run.mkdir()
        Path(folder).chmod(0o755)
        with pytest.raises(StepFailed) as told:
            upgrade._run(order, "pg_controldata", ["/nowhere"], doing="the upgrade", seconds_max=30.0)
    assert told.value.code == "physical-program-failed"
    assert "pg_controldata exited with " in told.value.what
    assert "/nowhere" in told.value.why


def test_a_server_that_does_not_stop_is_named(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", deaf], cwd=tmp_path, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            (tmp_path / "postmaster.pid").write_text(f"{server.pid}\n")
            with pytest.raises(StepFailed) as told:
                cluster.stop(tmp_path, seconds_max=0.3)
            assert server.poll() is None
        finally:
            server.send_signal(signal.SIGKILL)
    assert told.value.code == "server-stays"
    assert f"process {server.pid}" in told.value.why


def test_a_folder_that_cannot_be_made_is_told_before_the_source_is_asked(sides: Sides) -> None:
    with pytest.raises(UsageError) as told:
        physical.move(job(sides, Path("/nowhere/pg")))
    assert told.value.code == "target-folder-unusable"
    assert slots(sides) == []


def test_there_is_nothing_to_prove_where_no_copy_is(sides: Sides, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as told:
        list(physical_proof.prove(job(sides, tmp_path / "pg"), frozen=False))
    assert told.value.code == "no-copy-to-prove"
