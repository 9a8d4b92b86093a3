"""A tree that keeps changing, real rsync, a real object store: the bucket is exact or every difference is named."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab.store_server import Store
from migration.adapters.files import BucketMove
from migration.errors import MigrationError, StepFailed
from migration.model.words import ProbeState, Severity
from migration.movers.files_store import Store as Objects
from tests.support import moving_files
from tests.support.buckets import client, versions
from tests.support.moving_files import NFC, NFD, Keys, failed, make, tree

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tree(tmp_path / "uploads")


@pytest.fixture
def move(store: Store, source: Path, tmp_path: Path) -> BucketMove:
    made = make(store, source, tmp_path)
    made.prepare()
    return made


def content(move: BucketMove, key: str) -> bytes | None:
    return Objects(move._jobs[0]).read(key)


def keys(move: BucketMove) -> set[str]:
    return {one.key for one in Objects(move._jobs[0]).list()}


def churn(source: Path, stop: threading.Event) -> None:
    """Write as an application does: new files, changed files, deleted files."""
    number = 0
    while not stop.is_set():
        folder = source / "mới"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_text(f"nội dung {number}\n" * 50)
        if number > 5:
            (folder / f"{number - 3}.txt").write_text("sửa")
            (folder / f"{number - 5}.txt").unlink(missing_ok=True)
        number += 1
        time.sleep(0.01)


def test_a_tree_in_use_ends_exact_after_the_freeze(move: BucketMove, source: Path) -> None:
    assert [f for f in move.check() if f.severity is Severity.BLOCKER] == []
    assert move.replicated().state is ProbeState.NOT_DONE
    stop, changed = threading.Event(), []
    writer = threading.Thread(target=churn, args=(source, stop))
    writer.start()
    try:
        facts = move.replicate(lambda _: None)
        assert move.replicated().state is ProbeState.DONE
        assert facts["uploads"]["not_files"] == ["link"]
        assert facts["uploads"]["forecast_touched"] < 300
        assert 0 <= facts["uploads"]["forecast_seconds"] < facts["uploads"]["seconds"]
        (said,) = [finding for finding in move.check() if finding.code == "files-last-pass"]
        assert f"about {facts['uploads']['forecast_touched']} files" in said.what
        assert failed(move.prove(frozen=False, full=True)) == []
        for number in range(20):
            if number % 5 == 4:
                move.converge()
            (proof,) = move.prove(frozen=False, full=False)
            assert failed([proof]) == [], f"run {number}: nothing was planted"
            changed.append(proof.figures["uploads"]["changed_meanwhile"])
    finally:
        stop.set()
        writer.join()
    assert sum(changed) > 20, "nobody wrote: the test proves nothing"
    assert move.handed_over().state is ProbeState.NOT_DONE
    move.hand_over()
    move.hand_over()
    assert move.handed_over().state is ProbeState.DONE
    for full in (False, True):
        assert failed(move.prove(frozen=True, full=full)) == []
    for path in source.rglob("*"):
        if path.is_file() and not path.is_symlink() and "lạ" not in path.parts:
            assert content(move, str(path.relative_to(source))) == path.read_bytes()
    assert content(move, "lạ/" + NFC.decode()) == NFC
    assert content(move, "lạ/" + NFD.decode()) == NFD
    assert content(move, "lạ/empty.txt") == b""


def test_what_a_pass_replaces_and_deletes_stays_below_and_no_list_or_proof_sees_it(
    move: BucketMove, source: Path, store: Store
) -> None:
    move.replicate(lambda _: None)
    changed, gone = "ho-so/01/tệp số 1.pdf", "ho-so/02/tệp số 2.pdf"
    before, lost = (source / changed).read_bytes(), (source / gone).read_bytes()
    (source / changed).write_bytes(b"changed since")
    (source / gone).unlink()
    move.replicate(lambda _: None)
    move.hand_over()
    assert failed(move.prove(frozen=True, full=True)) == []
    assert changed in keys(move)
    assert gone not in keys(move)
    s3, bucket = client(store), move._jobs[0].opened.name
    for key, was in ((changed, before), (gone, lost)):
        (*_, oldest) = versions(s3, bucket, key)
        assert s3.get_object(Bucket=bucket, Key=key, VersionId=oldest)["Body"].read() == was


def test_names_that_cannot_be_keys_are_kept_reversibly(move: BucketMove, source: Path) -> None:
    move.replicate(lambda _: None)
    expected = {os.fsencode(p.relative_to(source)) for p in source.rglob("*") if p.is_file() and not p.is_symlink()}
    from migration.movers.files_names import path_of

    assert {path_of(key) for key in keys(move)} - {None} == expected


@pytest.fixture(scope="module")
def handed_over(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[BucketMove, Path]:
    return moving_files.handed_over(store, tmp_path_factory.mktemp("files"))


def test_content_changed_under_the_same_size_and_time_is_found(handed_over: tuple[BucketMove, Path]) -> None:
    move, source = handed_over
    path = source / "ho-so/01/tệp số 1.pdf"
    before, status = path.read_bytes(), path.stat()
    path.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    said = "\n".join(failed(move.prove(frozen=True, full=True)))
    path.write_bytes(before)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "1.pdf: differs (content)" in said
    assert failed(move.prove(frozen=True, full=True)) == []


@pytest.mark.parametrize("plant", ["missing", "altered", "emptied", "added"])
def test_a_planted_difference_in_the_bucket_is_found_and_named(
    plant: str, handed_over: tuple[BucketMove, Path]
) -> None:
    move, source = handed_over
    key = "ho-so/02/tệp số 2.pdf"
    objects, before = Objects(move._jobs[0]), (source / key).read_bytes()
    match plant:
        case "missing":
            objects.delete([key])
        case "altered":
            objects.put_bytes(key, bytes([before[0] ^ 1]) + before[1:])
        case "emptied":
            objects.put_bytes(key, b"")
        case "added":
            objects.put_bytes("thừa.txt", b"x")
    move_index_to(move, "following")  # before a release nobody else writes there
    said = "\n".join(failed(move.prove(frozen=True, full=False)))
    move_index_to(move, "handed-over")
    objects.put_bytes(key, before)
    objects.delete(["thừa.txt"])
    assert ("object thừa.txt: only in the bucket" if plant == "added" else f"file {key}: ") in said
    assert failed(move.prove(frozen=True, full=True)) == []


def move_index_to(move: BucketMove, phase: str) -> None:
    from migration.movers.files_index import Index

    Index(move._jobs[0].staging).set_fact("phase", phase)


def test_what_the_target_wrote_after_the_release_is_no_difference(handed_over: tuple[BucketMove, Path]) -> None:
    move, _ = handed_over
    time.sleep(1.1)  # the store's clock has whole seconds
    Objects(move._jobs[0]).put_bytes("ho-so/sau/mới.txt", b"x")
    (proof,) = move.prove(frozen=True, full=True)
    Objects(move._jobs[0]).delete(["ho-so/sau/mới.txt"])
    assert proof.passed
    assert proof.figures["uploads"]["written_since"] == 1


def test_a_handed_over_bucket_is_never_emptied(handed_over: tuple[BucketMove, Path]) -> None:
    with pytest.raises(StepFailed, match="any more"):
        handed_over[0].unreplicate()
    with pytest.raises(StepFailed, match="any more"):
        handed_over[0].converge()


def test_the_way_back_removes_what_we_wrote_and_nothing_else(move: BucketMove) -> None:
    Objects(move._jobs[0]).put_bytes("theirs.txt", b"theirs")
    assert "bucket-not-empty" in [finding.code for finding in move.check()]
    move.replicate(lambda _: None)
    move.hand_over()
    for undo in (move.take_back, move.unreplicate, move.unprepare):
        undo()
        undo()
    assert keys(move) == {"theirs.txt"}
    assert move.prepared().state is ProbeState.NOT_DONE


def test_a_mover_killed_at_any_moment_goes_on_and_ends_exact(move: BucketMove) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    job = move._jobs[0].as_json()
    argv = [sys.executable, "-m", "migration.movers.files", "--job", "-"]
    for _ in range(4):
        mover = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert mover.stdin is not None
        mover.stdin.write(job)
        mover.stdin.close()
        time.sleep(chance.uniform(0.4, 2.0))
        mover.send_signal(signal.SIGKILL)
        mover.wait()
    move.replicate(lambda _: None)
    move.hand_over()
    assert failed(move.prove(frozen=True, full=True)) == []


def test_under_the_freeze_what_was_touched_since_the_listing_is_asked_for(move: BucketMove, source: Path) -> None:
    move.replicate(lambda _: None)
    move.converge()
    (source / "sau.txt").write_text("mới")
    (source / "big.bin").unlink()
    move.hand_over()
    (proof,) = move.prove(frozen=True, full=False)
    assert proof.passed
    assert (proof.figures["uploads"]["asked_for"], proof.figures["uploads"]["listed"]) == (3, 0)
    assert "big.bin" not in keys(move)
    Objects(move._jobs[0]).delete(["sau.txt"])
    assert "file sau.txt: missing in the bucket" in failed(move.prove(frozen=True, full=False))
    Objects(move._jobs[0]).put_bytes("sau.txt", "mới".encode())
    (source / "muộn.txt").write_text("sau khi khóa")
    assert "file muộn.txt: is new at the source" in failed(move.prove(frozen=True, full=False))
    assert move.handed_over().state is ProbeState.NOT_DONE


def test_a_lost_index_is_rebuilt_from_the_bucket_without_sending_again(move: BucketMove) -> None:
    first = move.replicate(lambda _: None)["uploads"]
    (move._jobs[0].staging / "index.sqlite").unlink()
    again = move.replicate(lambda _: None)["uploads"]
    assert first["carried"] > 300
    assert again["carried"] == 0


def test_a_full_staging_disk_is_a_clear_error_and_loses_nothing(store: Store, source: Path, tmp_path: Path) -> None:
    move = make(store, source, tmp_path)
    staging = move._staging("uploads")
    staging.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", staging], check=True)
    try:
        move.prepare()
        with pytest.raises(MigrationError) as full:
            move.replicate(lambda _: None)
        assert full.value.code == "staging-full"
        subprocess.run(["mount", "-o", "remount,size=200m", staging], check=True)
        move.replicate(lambda _: None)
        assert failed(move.prove(frozen=True, full=True)) == []
    finally:
        subprocess.run(["umount", staging], check=True)


def test_a_comparison_that_cannot_run_is_a_failure(move: BucketMove, source: Path) -> None:
    move.replicate(lambda _: None)
    source.rename(source.with_name("gone"))
    (proof,) = move.prove(frozen=True, full=False)
    assert not proof.passed
    assert "could not be made" in proof.differences[0]


def test_a_bucket_that_cannot_be_written_blocks(store: Store, source: Path, tmp_path: Path) -> None:
    move = make(store, source, tmp_path)
    wrong = dataclasses.replace(store, secret_key="wrong")
    move._cluster = Keys(wrong)
    codes = [finding.code for finding in move.check() if finding.severity is Severity.BLOCKER]
    assert codes == ["bucket-not-writable"]
    with pytest.raises(StepFailed, match="not used"):
        move.prepare()
