"""Real copies under a limit: slow while it holds, fast once it is lifted in the middle, exact in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from lab.store_server import Store
from migration.adapters.database import PostgresMove
from migration.errors import StepFailed
from migration.model.words import ProbeState, Progress
from migration.movers import throttle
from migration.movers.copy import Pipe
from migration.movers.postgres import pass_file
from tests.support import local_servers as servers
from tests.support.moving_files import make, tree

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
SLOW = 400_000
HELD_SECONDS = 6.0


@pytest.fixture
def move(new_move: PostgresMove) -> PostgresMove:
    new_move.prepare()
    return new_move


def lifted(limit: Path, work: Callable[[], object], seconds: float) -> tuple[bool, float]:
    """Do it under a limit that is lifted after so many seconds; return whether it was at work then, and how long."""
    limit.parent.mkdir(parents=True, exist_ok=True)
    limit.write_text(str(SLOW))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(work)
        at_work = not wait([task], timeout=seconds).done
        limit.write_text("")
        task.result(300)
    return at_work, time.monotonic() - began


def test_a_copy_is_ended_for_being_slow_unless_people_slow_it_down(move: PostgresMove, tmp_path: Path) -> None:
    limit, job = tmp_path / throttle.FILE, move._job().model_copy(update={"copy_seconds_max": 1.0})
    too_late, late = ([f"COPY (SELECT 'late' FROM pg_sleep({seconds})) TO STDOUT"] for seconds in (60, 3))
    write = ["CREATE TEMPORARY TABLE told (text text)", "COPY told FROM STDIN"]
    with pass_file(job) as (_, file):
        pipe = Pipe(job, file, None, throttle.Throttle(limit))
        with pytest.raises(StepFailed, match="exited with -9"):
            pipe.move(too_late, write, doing="a slow copy")
        limit.write_text(str(SLOW))
        assert pipe.move(late, write, doing="a slow copy") == 1


def test_a_database_is_copied_at_the_limit_and_faster_once_it_is_lifted(
    pair: tuple[servers.Server, servers.Server], move: PostgresMove
) -> None:
    limit = move._context.state_folder / throttle.FILE
    # More than 60 MB: at the limit two and a half minutes.
    with pair[0].admin("portal") as admin:
        admin.execute("CREATE TABLE more AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 60000) i")
        admin.execute("ALTER TABLE more OWNER TO portal")
        admin.execute("ALTER TABLE more ADD PRIMARY KEY (i)")
    said: list[Progress] = []
    at_work, took = lifted(limit, lambda: move.replicate(said.append), HELD_SECONDS)
    assert at_work
    assert took < 60_000_000 / SLOW
    come = [each.rows_done for each in said if each.what == "rows" and each.rows_done]
    assert come == sorted(come)
    assert 0 < come[0] < 60_000, "rows of a table that is under way"
    assert move.replicated().state is ProbeState.DONE
    assert all(proof.passed for proof in move.prove(frozen=False))


def test_files_are_brought_and_sent_at_the_limit_and_faster_once_it_is_lifted(store: Store, tmp_path: Path) -> None:
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
