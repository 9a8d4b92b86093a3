"""A mover of objects is met in its middle: by its end, another mover, a lifted limit, a dying or a changing source."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from lab.store_server import Store, store_running
from lab.target import object_store
from migration.movers.objects_plan import CLAIM
from migration.movers.s3 import Bucket
from migration.movers.throttle import BYTES_PER_SECOND_MIN
from tests.support.moving_objects import Pair, fill, get, listed, make, put, put_large

pytestmark = pytest.mark.live
SLOW = 400_000
SLOWEST = str(BYTES_PER_SECOND_MIN)
"""At this limit the first large object waits for minutes, so that a test can do something meanwhile."""


@pytest.fixture
def limit(tmp_path: Path) -> Path:
    return tmp_path / "limit"


def uploads(bucket: Bucket) -> str:
    return bucket.request("GET", "", query={"uploads": ""}).text


def test_a_mover_killed_at_any_moment_goes_on_and_ends_exact(empty: Pair, limit: Path) -> None:
    fill(empty.source)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    limit.write_text("8000000")
    for number in range(3):
        mover = empty.begin(limit_file=limit)
        mover.until("listing")
        time.sleep(chance.uniform(0.0, 2.5))
        mover.kill()
        put(empty.source, f"ho-so/00/tệp số {7 * number}.pdf", f"changed {number}".encode())
    assert empty.do().code == 0
    assert empty.do("--do", "last").code == 0
    assert empty.verified_in_full("--frozen") == []
    assert "<Upload>" not in uploads(empty.target)


def test_parts_of_a_killed_mover_are_thrown_away(empty: Pair, limit: Path) -> None:
    put_large(empty.source, 18)
    limit.write_text("4000000")
    mover = empty.begin(limit_file=limit)
    end = time.monotonic() + 240
    while "<Upload>" not in uploads(empty.target) and time.monotonic() < end:
        time.sleep(0.05)
    mover.kill()
    assert "<Upload>" in uploads(empty.target)
    assert empty.do().result["ended_uploads"] == 1
    assert "<Upload>" not in uploads(empty.target)
    assert empty.verified_in_full("--frozen") == []


def test_the_limit_holds_and_is_lifted_in_the_middle(empty: Pair, limit: Path) -> None:
    fill(empty.source, 10)
    limit.write_text(str(SLOW))
    began = time.monotonic()
    mover = empty.begin(limit_file=limit)
    mover.until("seconds_left")
    time.sleep(3.0)
    assert mover.process.poll() is None
    limit.write_text("")
    said = mover.end()
    assert said.code == 0, said.text
    assert time.monotonic() - began < 18 * 1024 * 1024 / SLOW
    slow = [line for line in said.progress if line.get("seconds_left", 0) > 10]
    assert slow, said.text
    assert {"objects_done", "objects_total", "done", "total", "rate_per_second"} <= slow[0].keys()
    assert said.progress[-1]["done"] == said.progress[-1]["total"]
    assert empty.verified_in_full("--frozen") == []


def test_a_second_mover_and_one_of_an_earlier_turn_are_refused(empty: Pair, limit: Path, tmp_path: Path) -> None:
    fill(empty.source, 10)
    limit.write_text(SLOWEST)
    mover = empty.begin(limit_file=limit)
    mover.until('"what": "objects"')
    assert empty.do(token=6).error["code"] == "mover-at-work"
    # As the mover of a later turn on another machine: it shares nothing with the first but the bucket.
    claim = json.loads(get(empty.target, CLAIM).content) | {"token": 9}
    put(empty.target, CLAIM, json.dumps(claim).encode())
    limit.write_text("")
    said = mover.end()
    assert said.error["code"] == "turn-over", said.text
    stale = empty.do()
    assert (stale.code, stale.error["code"]) == (1, "turn-over")
    assert empty.do(token=9).code == 0
    other = empty.do(token=10, name="templates", staging=tmp_path / "other")
    assert other.error["code"] == "target-of-another-system"


def test_a_source_that_dies_in_the_middle_is_an_error_and_nothing_is_half_written(
    store: Store, tmp_path: Path, limit: Path
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="dcshift-store-", ignore_cleanup_errors=True) as folder,
        store_running(Path(folder)) as dying,
    ):
        pair = make(dying, store, tmp_path)
        fill(pair.source, 40)
        limit.write_text(SLOWEST)
        argv = psutil.Process(dying.pid).cmdline()
        mover = pair.begin(limit_file=limit)
        mover.until('"what": "objects"')
        psutil.Process(dying.pid).kill()
        limit.write_text("")
        said = mover.end()
        assert (said.code, said.error["code"] in ("object-not-read", "store-not-listed")) == (1, True), said.text
        assert "large.bin" not in listed(pair.target)
        with (Path(folder) / "log").open("ab") as log:
            again = subprocess.Popen(argv, stdout=log, stderr=log, env={"HOME": folder}, start_new_session=True)
        try:
            end = time.monotonic() + 240
            while not object_store.refuses_strangers(dying.endpoint) and time.monotonic() < end:
                time.sleep(0.2)
            assert pair.do().code == 0
            assert pair.verified_in_full("--frozen") == []
        finally:
            again.kill()  # told to end, it sometimes takes longer than anybody waits, and its folder goes anyway
            again.wait(120)


def test_an_object_that_changes_while_it_is_read_is_read_again(empty: Pair, limit: Path) -> None:
    put_large(empty.source, 18)
    limit.write_text(SLOWEST)
    mover = empty.begin(limit_file=limit, passes_max=1)
    mover.until('"what": "objects"')
    made = put_large(empty.source, 17, seed=2)
    limit.write_text("")
    said = mover.end()
    assert said.result["changed_while_read"] >= 1
    assert get(empty.target, "large.bin").content == made
    assert empty.verified_in_full("--frozen") == []
