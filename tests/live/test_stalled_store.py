"""A store that accepts and is silent in the middle of a move: waited for so long and no longer, named, then exact."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from lab.store_server import Store
from migration.errors import StepFailed
from migration.movers import bucket_store, files, s3
from migration.movers.files_job import FilesJob
from migration.movers.files_store import Store as Objects
from migration.movers.objects_plan import CLAIM
from tests.support import moving_files
from tests.support.moving_objects import Pair, content, fill, make
from tests.support.stalling import stalling

pytestmark = pytest.mark.live
SOME_BYTES = 300_000
"""A part of what is carried, which is twice as much at least."""


@contextmanager
def impatient(*, retries: int) -> Iterator[None]:
    """Wait for seconds what is waited for minutes, as long as the block."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(bucket_store, "REQUEST_SECONDS_MAX", 5.0)
        changed.setattr(bucket_store, "RETRIES_MAX", retries)
        changed.setattr(s3, "_SECONDS_MAX", 5.0)
        s3._client.cache_clear()
        yield
    s3._client.cache_clear()


@pytest.fixture
def pair(other_store: Store, store: Store, tmp_path: Path) -> Pair:
    made = make(other_store, store, tmp_path)
    fill(made.source, large_bytes=7 * 1024 * 1024)
    return made


def arrived(pair: Pair) -> dict[str, tuple[int, str]]:
    return {key: seen for key, seen in content(pair.target).items() if key != CLAIM}


def test_objects_are_not_carried_for_ever_and_the_next_run_is_exact(pair: Pair) -> None:
    with stalling(pair.target.endpoint, SOME_BYTES) as way:
        behind = dataclasses.replace(pair.target, endpoint=way.endpoint)
        with impatient(retries=1):
            ended = pair.do(target=behind)
        assert (ended.code, ended.error["code"]) in ((1, "object-not-written"), (1, "object-not-read")), ended.text
        assert "timed out" in ended.error["why"] or "timeout" in ended.error["why"], ended.error
        assert way.silent
        assert 0 < len(arrived(pair)) < len(content(pair.source))
        way.go_on()
        again = pair.do(target=behind)
        assert again.code == 0, again.text
    assert arrived(pair) == content(pair.source)
    assert pair.verified_in_full() == []


def test_objects_are_sent_again_when_a_store_answers_in_time(pair: Pair) -> None:
    with stalling(pair.target.endpoint, SOME_BYTES) as way, impatient(retries=5), ThreadPoolExecutor(1) as pool:
        moved = pool.submit(pair.do, target=dataclasses.replace(pair.target, endpoint=way.endpoint))
        way.until(turned_away=pair.job.workers + 2)  # more than the mover has at work: somebody came again
        way.go_on()
        ended = moved.result(300)
    assert ended.code == 0, ended.text
    assert arrived(pair) == content(pair.source)
    assert pair.verified_in_full() == []


def carried(job: FilesJob, folder: Path) -> dict[str, object]:
    """Run the mover of files in this process and return its last word."""
    file = folder / "job.json"
    file.touch(mode=0o600)
    file.write_text(job.as_json())
    with redirect_stdout(io.StringIO()) as out:
        files.main(["--job", str(file)])
    return dict(json.loads(out.getvalue().splitlines()[-1]))


@pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync")
def test_files_are_not_carried_for_ever_and_the_next_run_is_exact(store: Store, tmp_path: Path) -> None:
    source = moving_files.tree(tmp_path / "uploads", 120)
    move = moving_files.make(store, source, tmp_path)
    move.prepare()
    (job,) = move._jobs
    with stalling(store.endpoint, SOME_BYTES) as way:
        behind = job.model_copy(update={"endpoint": way.endpoint})
        with impatient(retries=1):
            error = carried(behind, tmp_path)["error"]
        assert error["code"] in ("object-not-written", "object-not-read"), error
        assert "timed out" in error["why"] or "timeout" in error["why"], error
        assert way.silent
        for word in ("head", "read"):
            with impatient(retries=0), pytest.raises(StepFailed) as told:
                getattr(Objects(behind), word)("anything")
            assert told.value.code == "object-not-read"
        way.go_on()
        assert "result" in carried(behind, tmp_path)
    assert moving_files.failed(move.prove(frozen=False, full=True)) == []
