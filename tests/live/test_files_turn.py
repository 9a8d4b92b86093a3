"""A bucket of files knows whose turn it is: who slept through the end of his own neither writes nor removes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.store_server import Store
from migration.adapters.files import BucketMove
from migration.errors import StepFailed
from migration.model.words import ProbeState
from migration.movers.files_job import FilesJob
from migration.movers.files_names import CLAIM
from migration.movers.files_store import Store as Objects
from migration.movers.throttle import BYTES_PER_SECOND_MIN
from tests.support.moving_files import make, tree

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync"),
]


@pytest.fixture
def move(store: Store, tmp_path: Path) -> BucketMove:
    made = make(store, tree(tmp_path / "uploads", 60), tmp_path)
    made.prepare()
    return made


def keys(move: BucketMove) -> set[str]:
    return {one.key for one in Objects(move._jobs[0]).list()}


def begun(job: FilesJob, out: Path) -> subprocess.Popen[bytes]:
    """Start the mover as a unit does: its job comes through stdin."""
    argv = [sys.executable, "-m", "migration.movers.files", "--job", "-"]
    with out.open("wb") as log:
        mover = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert mover.stdin is not None
    mover.stdin.write(job.as_json().encode())
    mover.stdin.close()
    return mover


def test_a_mover_of_an_earlier_turn_is_refused_and_one_at_work_is_stopped(move: BucketMove, tmp_path: Path) -> None:
    job, limit, out = move._jobs[0], tmp_path / "limit", tmp_path / "said"
    limit.write_text(str(BYTES_PER_SECOND_MIN))
    mover = begun(job.model_copy(update={"token": 5, "limit_file": limit}), out)
    try:
        objects, end = Objects(job), time.monotonic() + 240
        while (claim := objects.read(CLAIM)) is None:
            assert mover.poll() is None, out.read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        # As the mover of a later turn on another machine: it shares nothing with the first but the bucket.
        objects.put_bytes(CLAIM, json.dumps(json.loads(claim) | {"token": 9}).encode())
        time.sleep(6.0)  # a mover that looked at its claim just now does not look again before
        limit.write_text("")
        assert mover.wait(300) == 1, out.read_text()
    finally:
        mover.kill()
        mover.wait()
    assert json.loads(out.read_text().splitlines()[-1])["error"]["code"] == "turn-over"
    assert keys(move) == {CLAIM}, "what it had brought to this machine went no further"
    stale = begun(job.model_copy(update={"token": 8}), out)
    assert stale.wait(300) == 1
    assert "turn 8 is over: turn 9 has begun" in out.read_text()
    for act in (move.converge, move.hand_over, move.unreplicate):
        with pytest.raises(StepFailed, match="turn 1 is over") as refused:
            act()
        assert refused.value.code == "turn-over"
    assert keys(move) == {CLAIM}, "nothing was written, and nothing removed"


def in_turn(move: BucketMove, token: int) -> None:
    move._context = dataclasses.replace(move._context, token=lambda: token)


def test_the_way_back_does_not_let_an_earlier_turn_in_again(move: BucketMove) -> None:
    in_turn(move, 4)
    move.replicate(lambda _: None)
    in_turn(move, 5)
    move.unreplicate()
    assert keys(move) == set()
    for token, why in ((4, "turn 4 is over: turn 5 has begun"), (0, "turn 0 is over")):
        in_turn(move, token)
        with pytest.raises(StepFailed, match=why):
            move.converge()
    assert keys(move) == set()
    in_turn(move, 6)
    move.replicate(lambda _: None)


def test_another_machine_carries_nothing_into_a_bucket_that_was_handed_over(move: BucketMove) -> None:
    move.replicate(lambda _: None)
    move.hand_over()
    Objects(move._jobs[0]).put_bytes("big.bin", b"what a citizen wrote since")
    shutil.rmtree(move._jobs[0].staging)
    in_turn(move, 2)
    with pytest.raises(StepFailed) as refused:
        move.converge()
    assert refused.value.code == "files-handed-over"
    assert Objects(move._jobs[0]).read("big.bin") == b"what a citizen wrote since"


def test_a_hand_over_that_died_before_its_claim_said_so_is_completed(move: BucketMove) -> None:
    move.replicate(lambda _: None)
    move.hand_over()
    claim = json.loads(Objects(move._jobs[0]).read(CLAIM) or b"")
    Objects(move._jobs[0]).put_bytes(CLAIM, json.dumps(claim | {"phase": "following"}).encode())
    assert move.handed_over().state is ProbeState.NOT_DONE
    assert move.hand_over()["uploads"] == {"repeated": True}
    assert move.handed_over().state is ProbeState.DONE
