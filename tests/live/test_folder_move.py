"""A tree with everything in it, a real rsync, a folder for a target: it is the same afterwards, or refused by name."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from migration.errors import StepFailed
from migration.movers import folder, folder_copy
from migration.movers.files_index import Index
from migration.movers.folder_job import OURS, FolderJob
from tests.support.moving_folders import HARD, HOLES_BYTES, ONE, TWO, as_it_is, job, tree, typed

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files other owners"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tree(tmp_path / "templates")


@pytest.fixture
def order(source: Path, tmp_path: Path) -> FolderJob:
    return job(source, tmp_path)


def moved(order: FolderJob) -> dict[str, Any]:
    return dict(folder.replicate(order, Index(order.staging)))


def last(order: FolderJob) -> dict[str, Any]:
    return dict(folder.carry_last(order, Index(order.staging)))


def proved(order: FolderJob, *, frozen: bool = True, full: bool = True) -> Any:
    return folder.folder_proof.prove(order, Index(order.staging), frozen=frozen, full=full)


def churn(source: Path, stop: threading.Event) -> None:
    """Write as an application does: new, changed, deleted, linked, renamed; files and folders."""
    number = 0
    while not stop.is_set():
        place = source / "mới" / str(number % 7)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(f"nội dung {number}\n" * 50)
        (place / f"{number}.link").symlink_to(f"{number}.txt")
        if number % 3 == 0:
            (place / f"{number}.hard").hardlink_to(place / f"{number}.txt")
        if number > 20:
            shutil.rmtree(source / "mới" / str((number + 1) % 7), ignore_errors=True)
        (source / f"trên {number % 5}").write_text(str(number))
        number += 1
        time.sleep(0.01)


def test_a_tree_in_use_ends_as_it_is_after_the_freeze(source: Path, order: FolderJob, tmp_path: Path) -> None:
    for number in range(600):  # more than go at once with the rest
        (source / f"ho-so/nhỏ/{number}").parent.mkdir(exist_ok=True)
        (source / f"ho-so/nhỏ/{number}").write_text(str(number))
    stop = threading.Event()
    writer = threading.Thread(target=churn, args=(source, stop))
    writer.start()
    try:
        facts = moved(order)
        assert facts["carried"] > 600
        for _ in range(3):
            proof = proved(order, frozen=False, full=False)
            assert proof.passed, proof.differences
            moved(order)
    finally:
        stop.set()
        writer.join()
    assert (source / "mới").is_dir(), "nobody wrote: the test proves nothing"
    assert last(order)["proof"].endswith("(names, sizes, times, modes, owners, links and attributes)")
    assert as_it_is(order.folder) == as_it_is(source)
    assert (order.folder / "lỗ 0").stat().st_blocks * 512 < HOLES_BYTES // 10, "its holes were filled"
    assert proved(order).passed
    assert last(order) == {"repeated": True}
    with pytest.raises(StepFailed, match="not carried or removed any more"):
        moved(order)


def test_each_kind_of_change_at_the_source_comes_with_the_next_pass(source: Path, order: FolderJob) -> None:
    moved(order)
    (source / ONE).unlink()
    (source / ONE).mkdir()
    (source / ONE / "trong").write_text("a file became a folder")
    shutil.rmtree(source / "trống")
    (source / "trống").symlink_to("cứng")
    (source / "link").unlink()
    (source / "link").write_text("a link became a file")
    (source / TWO).chmod(0o640)
    os.setxattr(source / TWO, "user.mới", b"x")
    os.removexattr(source / TWO, "system.posix_acl_access")
    before = (source / HARD).read_bytes()
    (source / HARD).unlink()  # parted from its other name, with the same content and time
    (source / HARD).write_bytes(before)
    os.utime(source / HARD, ns=((source / "ho-so/00/hai").stat().st_mtime_ns,) * 2)
    (source / "lỗ 2").hardlink_to(source / "lỗ 1")
    source.chmod(0o700)
    moved(order)
    assert as_it_is(order.folder) == as_it_is(source)
    again = moved(order)
    assert (again["carried"], again["deleted"], again["passes"]) == (0, 0, 1)


@pytest.mark.parametrize("kind", ["others", "of another system", "link", "absent", "spoilt mark"])
def test_a_folder_that_is_not_ours_is_refused_and_stays_as_it_is(
    kind: str, source: Path, tmp_path: Path, order: FolderJob
) -> None:
    codes = {"of another system": "target-of-another-system", "link": "target-folder-unusable"}
    codes |= {"absent": "target-folder-unusable"}
    match kind:
        case "others":
            (order.folder / "theirs").write_text("theirs")
        case "of another system":
            moved(job(source, tmp_path, system="feedback"))
        case "link":
            order.folder.rename(tmp_path / "aside")
            order.folder.symlink_to(tmp_path / "aside")
        case "absent":
            order.folder.rmdir()
        case "spoilt mark":
            (order.folder / OURS).mkdir()
            (order.folder / OURS / "claim.json").write_text("{")
    before = as_it_is(order.folder) if order.folder.exists() else {}
    for verb in ("move", "last", "remove"):
        status, said = typed(verb, order)
        assert (status, said["error"]["code"]) == (1, codes.get(kind, "target-folder-foreign")), said
    assert typed("check", order)[0] == 3
    assert (as_it_is(order.folder) if order.folder.exists() else {}) == before


def test_a_fresh_volume_is_as_good_as_empty(order: FolderJob) -> None:
    (order.folder / "lost+found").mkdir(mode=0o700)
    (order.folder / "lost+found" / "#12").write_text("the file system's own")
    moved(order)
    folder.remove(order, Index(order.staging))
    assert [one.name for one in order.folder.iterdir()] == ["lost+found"]
    assert (order.folder / "lost+found" / "#12").exists()


def test_sockets_and_fifos_are_named_and_never_left_in_silence(source: Path, order: FolderJob, tmp_path: Path) -> None:
    os.mkfifo(source / "ống")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(source / "ổ.sock"))
    status, said = typed("check", order)
    assert (status, said["result"]["findings"][0]["code"]) == (3, "special-files")
    with pytest.raises(StepFailed, match="2 entries") as refused:
        moved(order)
    assert refused.value.code == "not-a-file"
    assert "ống (FIFO)" in refused.value.why
    assert not (order.folder / "ho-so").exists()
    decided = job(source, tmp_path, left_behind=["ống", "*.sock"])
    assert moved(decided)["not_files"] == ["ống", "ổ.sock"]
    assert not (order.folder / "ống").exists()
    assert last(decided)["not_files"] == ["ống", "ổ.sock"]


def test_what_the_target_wrote_is_kept_until_somebody_says_otherwise(
    source: Path, order: FolderJob, tmp_path: Path
) -> None:
    moved(order)
    last(order)
    (order.folder / "sau.txt").write_text("written after the cut")
    (order.folder / TWO).unlink()
    proof = proved(order)
    assert (proof.passed, proof.figures["written_since"]) == (True, 4), "two entries, and the folders they lie in"
    status, said = typed("take-back", order)
    assert (status, said["error"]["code"]) == (1, "target-written-since")
    assert "sau.txt" in said["error"]["why"]
    with pytest.raises(StepFailed, match="any more"):
        folder.remove(order, Index(order.staging))
    dropping = job(source, tmp_path, overwrite=True)
    assert typed("take-back", dropping)[1]["result"]["phase"] == "following"
    moved(order)
    assert as_it_is(order.folder) == as_it_is(source)


def test_a_folder_that_nobody_wrote_in_is_taken_back(source: Path, order: FolderJob) -> None:
    moved(order)
    last(order)
    assert typed("take-back", order)[1]["result"]["phase"] == "following"
    (source / "muộn").write_text("the source serves again")
    moved(order)
    last(order)
    assert as_it_is(order.folder) == as_it_is(source)
    # What is remembered of the second hand-over is the whole folder, too.
    with folder.folder_proof.Index(order.staging / folder.HANDED_OVER)._open() as remembered:
        assert remembered.execute("SELECT count(*) FROM described").fetchone() == (len(as_it_is(order.folder)),)
    assert typed("take-back", order)[1]["result"]["phase"] == "following"


@pytest.mark.parametrize("when", ["before it was brought", "after it was brought"])
def test_a_source_that_is_written_in_the_last_pass_is_not_handed_over(
    when: str, source: Path, order: FolderJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(order)
    (source / ONE).write_text("one change more")
    bring = folder_copy.Copy.bring

    def written(*given: Any) -> None:
        if when == "before it was brought":
            (source / ONE).write_text("listed otherwise")
        bring(*given)
        if when == "after it was brought":
            (source / "muộn").write_text("by somebody whom the freeze forgot")

    monkeypatch.setattr(folder_copy.Copy, "bring", written)
    with pytest.raises(StepFailed) as refused:
        last(order)
    monkeypatch.undo()
    assert refused.value.code == "file-not-carried"
    assert (ONE if when == "before it was brought" else "muộn") in refused.value.why
    # What was brought is newer than what was listed: only a list made anew may call it equal.
    assert proved(order).passed == (when == "before it was brought")
    last(order)
    assert as_it_is(order.folder) == as_it_is(source)


def test_a_source_that_lists_nothing_any_more_removes_nothing(source: Path, order: FolderJob) -> None:
    moved(order)
    before = as_it_is(order.folder)
    source.rename(source.with_name("unmounted"))
    source.mkdir()
    for verb in ("move", "last"):
        status, said = typed(verb, order)
        assert (status, said["error"]["code"]) == (1, "source-files-vanished")
    assert as_it_is(order.folder) == before
