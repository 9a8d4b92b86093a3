"""After the release citizens change the target: what they delete is named and is no loss; what was lost is one."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore
from pydantic import SecretStr

from migration.adapters import files_proof
from migration.adapters.files import BucketMove
from migration.adapters.files_at_source import changed, not_brought
from migration.movers.files_described import record
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import look
from migration.movers.files_names import HANDED_OVER, key_of
from migration.movers.files_source import compare
from migration.movers.files_store import Store, md5_of
from tests.support.world import VirtualClock

NAMES = ("đơn.pdf", "hồ sơ/1.pdf", "hồ sơ/2.pdf")


class InMemory(Store):
    """The real access to a store, on a bucket in memory."""

    def __init__(self, job: FilesJob, bucket: MemoryStore) -> None:
        self._job, self._store = job, bucket  # type: ignore[assignment]


@dataclasses.dataclass
class Moved:
    """Files that were handed over, on all three places."""

    job: FilesJob
    bucket: MemoryStore

    def prove(self, *, full: bool) -> files_proof.Compared:
        return files_proof.compare(self.job, frozen=True, full=full, now=1_000_000.0)

    def source(self, name: str) -> Path:
        return Path(self.job.source) / name


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moved:
    bucket = MemoryStore()
    job = FilesJob(
        system="portal",
        name="uploads",
        token=1,
        source=str(tmp_path / "uploads"),
        become=[],
        staging=tmp_path / "staging",
        endpoint="http://127.0.0.1:1",
        region="r",
        bucket="b",
        access_key="a",
        secret_key=SecretStr("s"),
    )
    entries = []
    for name in NAMES:
        for root in (Path(job.source), job.tree):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
            os.utime(root / name, (1_000_000, 1_000_000))
        path, status = name.encode(), (job.tree / name).stat()
        tag = obstore.put(bucket, key_of(path), name.encode())["e_tag"] or ""
        tag = tag.strip('"')
        entries.append(
            Entry(
                path,
                key_of(path),
                status.st_size,
                status.st_mtime_ns,
                status.st_mode & 0o7777,
                md5_of(job.tree / name),
                tag,
                None,
            )
        )
    index = Index(job.staging)
    index.change(put=entries)
    index.set_fact("phase", "handed-over")
    obstore.put(bucket, HANDED_OVER, b"")
    monkeypatch.setattr(files_proof, "Store", lambda job: InMemory(job, bucket))
    return Moved(job, bucket)


def test_what_was_seen_under_the_freeze_and_is_gone_after_it_is_a_warning_that_names_it(moved: Moved) -> None:
    assert moved.prove(full=False).differences == []
    obstore.delete(moved.bucket, key_of("hồ sơ/1.pdf".encode()))
    seen = moved.prove(full=True)
    assert (seen.differences, seen.deleted_since) == ([], ["hồ sơ/1.pdf"])
    assert seen.read_back == 2


class OfOneSet(BucketMove):
    """The real move, of this one set of files."""

    def __init__(self, job: FilesJob) -> None:
        self._jobs, self._clock = [job], VirtualClock(1_000_000.0)


def test_the_proof_passes_and_its_sentence_warns(moved: Moved) -> None:
    move = OfOneSet(moved.job)
    assert [proof.passed for proof in move.prove(frozen=True, full=False)] == [True]
    obstore.delete(moved.bucket, key_of("hồ sơ/2.pdf".encode()))
    [proof] = move.prove(frozen=True, full=True)
    assert proof.passed
    assert proof.sentence == (
        "2 of 3 files are equal (every byte read back); warning: 1 was in the bucket at the release and is gone since: "
        "hồ sơ/2.pdf"
    )
    assert proof.figures["deleted_since_names"] == ["hồ sơ/2.pdf"]


def test_what_was_never_seen_at_the_target_is_lost(moved: Moved) -> None:
    obstore.delete(moved.bucket, key_of("hồ sơ/1.pdf".encode()))
    lost = ["file hồ sơ/1.pdf: missing in the bucket"]
    assert moved.prove(full=False).differences == lost
    seen = moved.prove(full=True)
    assert (seen.differences, seen.deleted_since) == (lost, [])


def test_what_goes_between_two_proofs_under_the_freeze_is_lost(moved: Moved) -> None:
    assert moved.prove(full=False).differences == []
    obstore.delete(moved.bucket, key_of("đơn.pdf".encode()))
    assert moved.prove(full=False).differences == ["file đơn.pdf: missing in the bucket"]
    assert moved.prove(full=True).differences == ["file đơn.pdf: missing in the bucket"]


def test_a_bucket_that_somebody_emptied_is_no_deletion_by_citizens(moved: Moved) -> None:
    assert moved.prove(full=False).differences == []
    obstore.delete(moved.bucket, [one["path"] for chunk in obstore.list(moved.bucket) for one in chunk])
    assert len(moved.prove(full=True).differences) == len(NAMES)


def test_an_object_with_other_bytes_is_still_a_difference(moved: Moved) -> None:
    assert moved.prove(full=False).differences == []
    (moved.job.tree / "đơn.pdf").write_text("otherwise")
    assert "file đơn.pdf: content differs (read back)" in moved.prove(full=True).differences


def test_an_object_deleted_while_it_is_read_back_is_a_warning_too(
    moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert moved.prove(full=False).differences == []
    read = InMemory.md5

    def delete_first(store: InMemory, key: str) -> str | None:
        if key == "đơn.pdf":
            obstore.delete(moved.bucket, key)
        return read(store, key)

    monkeypatch.setattr(InMemory, "md5", delete_first)
    seen = moved.prove(full=True)
    assert (seen.differences, seen.deleted_since) == ([], ["đơn.pdf"])


def test_an_emptied_folder_and_a_link_at_the_source_are_no_difference(moved: Moved) -> None:
    (moved.job.tree / "trống \n").mkdir()
    (moved.job.tree / "alt link").symlink_to("đơn.pdf")
    (moved.source("new link")).symlink_to("đơn.pdf")
    assert compare(moved.job, content=True) == []


def test_a_file_that_is_gone_new_or_became_a_link_at_the_source_is_one(moved: Moved) -> None:
    moved.source("đơn.pdf").unlink()
    moved.source("hồ sơ/1.pdf").unlink()
    moved.source("hồ sơ/1.pdf").symlink_to("2.pdf")
    moved.source("mới.pdf").write_text("new")
    (moved.job.tree / "lạ\n.pdf").write_text("odd")
    found = {(one.name.replace("\\#012", "\n"), one.what.split(" (")[0]) for one in compare(moved.job, content=True)}
    assert {("đơn.pdf", "is gone at the source"), ("lạ\n.pdf", "is gone at the source")} <= found
    assert ("mới.pdf", "is new at the source") in found
    assert "hồ sơ/1.pdf" in {name for name, _ in found}


def test_a_link_that_leads_elsewhere_and_an_empty_folder_that_is_gone_are_named(moved: Moved) -> None:
    source, index = Path(moved.job.source), Index(moved.job.staging)
    (source / "trống").mkdir()
    (source / "link").symlink_to("đơn.pdf")
    (source / "aside").symlink_to("đơn.pdf")
    os.mkfifo(source / "pipe")
    record(moved.job, index, look(moved.job, frozen=True), frozen=False)
    assert not_brought(moved.job) == []
    (source / "link").unlink()
    (source / "link").symlink_to("hồ sơ")
    (source / "trống").rmdir()
    (source / "aside").unlink()
    (source / "aside").mkdir()
    (source / "pipe").unlink()
    (source / "mới").mkdir()
    assert not_brought(moved.job) == [
        "folder mới: is new at the source",
        "folder trống: is gone at the source",
        "link aside: is a folder at the source",
        "link link: leads to hồ sơ at the source, led to đơn.pdf when it was left behind",
    ]


def test_a_folder_whose_files_went_or_came_is_named_by_them(moved: Moved) -> None:
    index = Index(moved.job.staging)
    (Path(moved.job.source) / "sau").mkdir()
    record(moved.job, index, look(moved.job, frozen=True), frozen=False)
    moved.source("sau/1.pdf").write_text("new")
    for name in NAMES[1:]:
        moved.source(name).unlink()
    assert [one for one in changed(moved.job) if not one.startswith("file ")] == []
    moved.source("hồ sơ").rmdir()
    assert [one for one in changed(moved.job) if not one.startswith("file ")] == []


def test_what_an_earlier_release_handed_over_is_compared_as_it_was(moved: Moved) -> None:
    (Path(moved.job.source) / "trống").mkdir()
    assert changed(moved.job) == []
