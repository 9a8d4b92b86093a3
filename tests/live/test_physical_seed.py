"""A server of two databases becomes a cluster that begins from its files, under writers, killed and rerun."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.loopback import HOST, free_ports
from lab.postgres_server import binaries
from migration.errors import BlockedError, StepFailed
from migration.movers import claim, physical, place, seed, stream
from migration.movers.seed_job import SeedJob
from tests.support.physical import DATABASES, Source, Writer
from tests.support.seeding import LoopbackCluster, Operator, declared, order, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the servers run as postgres"),
]
KILLED = ("waiting for the cluster's declaration", "catching up")


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    # Not below pytest's own folder: the servers run as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def source(room: Path) -> Iterator[Source]:
    found = binaries()
    assert found is not None
    server = Source(room / "source", found[1], free_ports(1)[0])
    server.start()
    try:
        server.fill()
        yield server
    finally:
        server.stop()


@pytest.fixture
def world(room: Path, source: Source) -> Iterator[LoopbackCluster]:
    folder = room / "cluster"
    folder.mkdir()
    shutil.chown(folder, "postgres")
    made = LoopbackCluster(folder, source.major)
    made.write("image.json", {})
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def job(room: Path, source: Source) -> Iterator[SeedJob]:
    """The order; what a test that failed left of it is taken away."""
    made = order(source, room / "copy", free_ports(1)[0])
    yield made
    if made.server.folder.exists():
        later = again(source, made).server
        place.write(later.folder, place.Marker(later.system, later.token, place.COPYING, ""))
        physical.undo(later)


def again(source: Source, job: SeedJob) -> SeedJob:
    """Return the order as a later turn gives it."""
    source.turn += 1
    return job.model_copy(update={"server": job.server.model_copy(update={"token": source.turn})})


def declare(world: LoopbackCluster, job: SeedJob) -> None:
    world.write("declared.json", declared(HOST, job.server.port))


def ids(session_of: object, database: str) -> list[int]:
    with session_of(database) as session:  # type: ignore[operator]
        return [number for (number,) in session.execute("SELECT id FROM ledger ORDER BY id").fetchall()]


def test_a_cluster_has_every_write_though_its_mover_is_killed_twice(
    source: Source, world: LoopbackCluster, job: SeedJob, tmp_path: Path
) -> None:
    before = source.catalogue()
    with ExitStack() as stack:
        operator = stack.enter_context(Operator(world, source.binaries, at_birth="DELETE FROM note WHERE id = 7"))
        writers = [stack.enter_context(Writer(source, database)) for database in DATABASES]
        for phase in KILLED:
            killed = run(job, world, tmp_path, kill_at=phase)
            assert phase in killed.phases, killed.text
            assert killed.status == -9 or phase == KILLED[-1], killed.text
            declare(world, job)
            job = again(source, job)
            if phase == KILLED[0]:
                _another_than_the_copy_is_not_let_to_follow(source, world, job, tmp_path)
        ended = run(job, world, tmp_path)
        assert ended.status == 0, f"{ended.text} {operator.failed}"
        assert ended.last["result"]["cluster"] == "httt-portal-data/portal-db"
        for writer in writers:
            writer.__exit__()
            assert writer.refused is None
            with source.admin(writer.database) as admin:
                value = stream.mark(admin)
            with world.session(writer.database) as target:
                assert stream.wait_for_mark(target, value, seconds_max=60)
            there = ids(world.session, writer.database)
            assert len(there) == len(set(there))
            assert set(writer.acknowledged) <= set(there)
            assert there == ids(source.admin, writer.database)
        _nothing_of_the_copy_is_left(world, job)
        with pytest.raises(StepFailed) as over:
            seed.move(job.model_copy(update={"server": job.server.model_copy(update={"token": 1})}), world)
        assert over.value.code == "turn-over"
        with pytest.raises(StepFailed) as other:
            physical.move(job.server)
        assert other.value.code == "copy-goes-another-way"
        _what_was_handed_over_stays(world, job)
        undone = run(job, world, tmp_path, "--undo")
        assert undone.last["result"]["undone"], undone.text
        assert "follows nothing" in undone.last["result"]["left"][0]
        assert world.rows("portal", "SELECT subname FROM pg_subscription") == []
    assert source.catalogue() == before
    assert not job.server.folder.exists()


def _another_than_the_copy_is_not_let_to_follow(
    source: Source, world: LoopbackCluster, job: SeedJob, tmp_path: Path
) -> None:
    told = run(job, world, tmp_path)
    assert told.last["error"]["code"] == "seed-differs", told.text
    assert "feedback: rows of public.note: 2999 there, 3000 here" in told.last["error"]["why"]
    assert world.rows("feedback", "SELECT subname FROM pg_subscription WHERE subenabled") == []
    with source.admin("feedback") as admin, world.session("feedback") as target:
        row = admin.execute("SELECT id, word, at FROM note WHERE id = 7").fetchone()
        target.execute("INSERT INTO note (id, word, at) VALUES (%s, %s, %s)", row)


def _nothing_of_the_copy_is_left(world: LoopbackCluster, job: SeedJob) -> None:
    assert {entry.name for entry in job.server.folder.iterdir()} == {place.MARKER, "dcshift.lock"}
    assert world.password() is None
    assert world.rows("postgres", "SELECT 1 AS one FROM pg_roles WHERE rolname = 'dcshift_seed'") == []


def _what_was_handed_over_stays(world: LoopbackCluster, job: SeedJob) -> None:
    with world.session("portal") as target:
        claim.set_phase(target, claim.HANDED_OVER)
    for verb in (seed.move, seed.undo):
        with pytest.raises(StepFailed) as told:
            verb(job, world)
        assert told.value.code == "target-handed-over"
    with world.session("portal") as target:
        claim.set_phase(target, claim.FOLLOWING)


def test_what_the_image_lacks_is_told_before_a_byte_is_carried(
    source: Source, world: LoopbackCluster, job: SeedJob, tmp_path: Path
) -> None:
    before = source.catalogue()
    world.write("image.json", {"major": 12, "locales": ["vi_VN.utf8"]})
    ended = run(job, world, tmp_path)
    assert ended.status == BlockedError.exit_code, ended.text
    assert "base backup" not in ended.phases
    for code in ("seed-major", "seed-locale"):
        assert code in ended.last["error"]["why"]
    assert source.catalogue() == before
