"""Real copies under a limit: slow while it holds, fast once it is lifted in the middle, exact in the end."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migration.adapters.database import PostgresMove
from migration.model.words import ProbeState
from migration.movers import throttle
from tests.support import local_servers as servers
from tests.support import local_store
from tests.support.moving import database_move
from tests.support.moving_files import make, tree

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
SLOW = 400_000
HELD_SECONDS = 6.0


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[servers.Server, servers.Server]]:
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        both = servers.pair(Path(folder))
        yield both
        for server in both:
            server.stop()


@pytest.fixture
def move(pair: tuple[servers.Server, servers.Server], tmp_path: Path) -> Iterator[PostgresMove]:
    servers.new_databases(*pair, "portal", servers.SAMPLE)
    made = database_move(*pair, tmp_path)
    made.prepare()
    yield made
    made._units.stop("portal-database")


def lifted(limit: Path, work: Callable[[], object], seconds: float) -> tuple[bool, float]:
    """Do it under a limit that is lifted after so many seconds; return whether it was at work then, and how long."""
    limit.parent.mkdir(parents=True, exist_ok=True)
    limit.write_text(str(SLOW))
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
            ended.append(None)
        except BaseException as failure:
            ended.append(failure)

    began, worker = time.monotonic(), threading.Thread(target=run)
    worker.start()
    worker.join(seconds)
    at_work = worker.is_alive()
    limit.write_text("")
    worker.join(300)
    assert not worker.is_alive(), "the limit was taken away, and it still waits"
    if ended[0] is not None:
        raise ended[0]
    return at_work, time.monotonic() - began


def test_a_database_is_copied_at_the_limit_and_faster_once_it_is_lifted(
    pair: tuple[servers.Server, servers.Server], move: PostgresMove
) -> None:
    limit = move._context.state_folder / throttle.FILE
    # More than 60 MB: at the limit two and a half minutes.
    with pair[0].admin("portal") as admin:
        admin.execute("CREATE TABLE more AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 60000) i")
        admin.execute("ALTER TABLE more OWNER TO portal")
        admin.execute("ALTER TABLE more ADD PRIMARY KEY (i)")
    at_work, took = lifted(limit, lambda: move.replicate(lambda _: None), HELD_SECONDS)
    assert at_work
    assert took < 60_000_000 / SLOW
    assert move.replicated().state is ProbeState.DONE
    assert all(proof.passed for proof in move.prove(frozen=False))


def test_files_are_brought_and_sent_at_the_limit_and_faster_once_it_is_lifted(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="dcshift-store-", ignore_cleanup_errors=True) as folder,
        local_store.running(Path(folder)) as store,
    ):
        made = make(store, tree(tmp_path / "uploads"), tmp_path)
        made.prepare()
        limit = made._context.state_folder / throttle.FILE
        # 40 MB: at the limit more than a minute and a half, for rsync alone.
        at_work, took = lifted(limit, lambda: made.replicate(lambda _: None), HELD_SECONDS)
        assert at_work
        assert took < 40_000_000 / SLOW
        assert all(proof.passed for proof in made.prove(frozen=False, full=True))
        # The last pass is what citizens wait for: at the limit it would take a minute and a half, twice.
        (tmp_path / "uploads/last.bin").write_bytes(bytes(36_000_000))
        limit.write_text(str(SLOW))
        began = time.monotonic()
        made.hand_over()
        assert time.monotonic() - began < 36_000_000 / SLOW
        assert all(proof.passed for proof in made.prove(frozen=True, full=True))
