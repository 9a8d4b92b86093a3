"""What the source's own listing sees, which decides under the freeze what is gone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from pydantic import SecretStr

from migration.adapters import files_findings
from migration.errors import StepFailed
from migration.model.inventory import FilesFacts, LinkFacts
from migration.model.words import Severity
from migration.movers import files, files_listing, files_manifest, files_source
from migration.movers.bucket_claim import Turn
from migration.movers.files_index import Entry
from migration.movers.files_job import FilesJob
from migration.movers.object_size import too_large


def job(folder: Path, source: Path, *left_behind: str) -> FilesJob:
    staging = folder / "staging"
    staging.mkdir(exist_ok=True)
    return FilesJob(
        system="portal",
        name="uploads",
        token=1,
        source=str(source),
        become=[],
        left_behind=list(left_behind),
        staging=staging,
        endpoint="http://127.0.0.1:1",
        region="r",
        bucket="b",
        access_key="a",
        secret_key=SecretStr("s"),
    )


class Ours(Turn):
    """A turn that lasts."""

    def __init__(self) -> None:
        """Ask no store."""

    def assert_ours(self) -> None:
        """Hold."""


def test_a_source_that_is_a_link_to_its_folder_is_listed_as_rsync_reads_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "hồ sơ.pdf").write_text("1")
    (tmp_path / "uploads").symlink_to("shared")
    found = files_listing.look(job(tmp_path, tmp_path / "uploads"), frozen=True)
    assert list(found.files) == ["hồ sơ.pdf".encode()]


def test_a_source_that_lists_nothing_any_more_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uploads").mkdir()
    carried = object.__new__(Entry)
    monkeypatch.setattr(files.Index, "entries", lambda index: {b"a": carried})
    monkeypatch.setattr(files, "Store", lambda *job: None)
    with pytest.raises(StepFailed) as refused:
        files.carry_last(job(tmp_path, tmp_path / "uploads"), Ours())
    assert refused.value.code == "source-files-vanished"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A set with a linked folder, a socket's like and one file."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "1.pdf").write_text("1")
    source = tmp_path / "uploads"
    source.mkdir()
    (source / "2.pdf").write_text("2")
    (source / "năm cũ").symlink_to("../shared")
    os.mkfifo(source / "pipe")
    return source


@pytest.mark.parametrize(("decided", "named"), [((), "năm cũ (symbolic link)"), (("năm *",), "pipe (FIFO)")])
def test_a_linked_folder_is_never_left_behind_in_silence(
    decided: tuple[str, ...], named: str, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "Store", lambda *job: None)
    ordered = job(tmp_path, odd, *decided)
    for act in (
        lambda: files_listing.look(ordered, frozen=True).decided(ordered),
        lambda: files.carry(ordered, Ours(), frozen=False),
        lambda: files.carry_last(ordered, Ours()),
    ):
        with pytest.raises(StepFailed) as refused:
            act()
        assert (refused.value.code, named in refused.value.why) == ("not-a-file", True)
    assert not ordered.tree.exists(), "nothing may be brought before people decided"


class Kept:
    """A store that keeps what it is given."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_bytes(self, key: str, content: bytes) -> None:
        self.objects[key] = content

    def list(self) -> list[object]:
        return []

    def put_file(self, path: bytes, full: Path) -> Entry:
        status = full.lstat()
        self.objects[os.fsdecode(path)] = full.read_bytes()
        return Entry(path, os.fsdecode(path), status.st_size, status.st_mtime_ns, 0o644, "", "", None)


def test_what_people_decided_to_leave_is_left_and_said_in_the_manifest(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Kept()
    for module in (files, files_manifest):
        monkeypatch.setattr(module, "Store", lambda *job: store)
    ordered = job(tmp_path, odd, "năm *", "pipe")
    for one in (files.carry(ordered, Ours(), frozen=False), files.carry_last(ordered, Ours())):
        assert (one.files, one.others) == (1, ("năm cũ", "pipe"))
    files_manifest.write(ordered)
    assert [path.name for path in ordered.tree.iterdir()] == ["2.pdf"]
    manifest = store.objects.pop(".dcshift/manifest.jsonl").decode()
    assert '{"path": "năm cũ", "left_behind": "symbolic link", "leads_to": "../shared", "owner": ' in manifest
    assert '{"path": "pipe", "left_behind": "FIFO", "owner": ' in manifest
    assert store.objects == {"2.pdf": b"2"}


def facts(**changed: object) -> FilesFacts:
    plain = {"host": "files1", "path": "/srv", "files": 1, "size_bytes": 1, "special_files": [], **changed}
    return FilesFacts.model_validate(plain)


def test_links_and_special_files_forbid_a_move_until_people_decide() -> None:
    link = LinkFacts(path="năm cũ/2019", leads_to="/mnt/2019", to="outside")
    seen = facts(special_files=["run/app.sock"], special_files_count=1, links=[link], links_count=1)
    found = {one.code: one for one in files_findings.from_survey("uploads", seen, [])}
    assert {one.severity for one in found.values()} == {Severity.BLOCKER}
    assert "1 symbolic links are not carried: năm cũ/2019 -> /mnt/2019 (outside)" in found["symbolic-links"].what
    assert "run/app.sock" in found["special-files"].what
    (waived,) = files_findings.from_survey("uploads", seen, ["năm cũ/*", "run/*.sock"])
    assert (waived.code, waived.severity) == ("left-behind", Severity.INFO)


def test_links_that_were_counted_but_not_named_are_not_waived() -> None:
    link = LinkFacts(path="a", leads_to="b", to="file")
    codes = [one.code for one in files_findings.from_survey("uploads", facts(links=[link], links_count=2), ["*"])]
    assert codes == ["symbolic-links", "left-behind"]


def test_hard_links_are_a_warning() -> None:
    (found,) = files_findings.from_survey("uploads", facts(hard_linked_files=2), [])
    assert (found.code, found.severity) == ("hard-links", Severity.WARNING)


def test_a_long_list_of_files_reaches_a_program_that_reads_it_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a pipe holds, to one that is still busy when we look whether it has ended."""
    slow, got = tmp_path / "bin" / "rsync", tmp_path / "got"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\nsleep 2\ncat > {got}\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    names = [f"ho-so/tệp số {number}.pdf".encode() for number in range(20_000)]
    files_source.pull_some(job(tmp_path, tmp_path), names)
    assert got.read_bytes() == b"\0".join(names) + b"\0"


def test_a_change_within_the_same_second_is_brought(tmp_path: Path) -> None:
    file = tmp_path / "uploads" / "1.pdf"
    file.parent.mkdir()
    ordered = job(tmp_path, file.parent)
    ordered.tree.mkdir()
    for number, bring in enumerate((lambda: files_source.pull_some(ordered, [b"1.pdf"]),) * 2):
        file.write_text(str(number))
        os.utime(file, ns=(0, 1_700_000_000_000_000_000 + number))
        bring()
    assert (ordered.tree / "1.pdf").read_text() == "1"
    file.write_text("2")
    os.utime(file, ns=(0, 1_700_000_000_000_000_002))
    files_source.pull(ordered, frozen=True)
    assert (ordered.tree / "1.pdf").read_text() == "2"


def test_the_last_list_of_files_needs_no_room_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full /tmp in the freeze would be a failed cut."""
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "1.pdf").write_text("1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    ordered = job(tmp_path, tmp_path / "uploads")
    ordered.tree.mkdir()
    files_source.pull_some(ordered, [b"1.pdf"])
    assert (ordered.tree / "1.pdf").read_text() == "1"


def test_a_file_that_no_object_can_hold_is_refused_before_anything_is_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "uploads"
    source.mkdir()
    (source / "1.pdf").write_text("1")
    with (source / "phim.bin").open("wb") as sparse:
        sparse.truncate(10_000 * 5 * 1024 * 1024 + 1)
    ordered = job(tmp_path, source).model_copy(update={"part_bytes": 5 * 1024 * 1024})
    refusing = tmp_path / "bin" / "rsync"  # were it brought after all, it would fill the disk
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 9\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(files, "Store", lambda *job: None)
    for act in (
        lambda: files_source.assert_room(ordered),
        lambda: files.carry(ordered, Ours(), frozen=False),
        lambda: files.carry_last(ordered, Ours()),
    ):
        with pytest.raises(StepFailed) as refused:
            act()
        assert refused.value.code == "file-too-large"
        assert "phim.bin with 52,428,800,001 bytes (it has more than 10,000 parts" in refused.value.why
    assert not ordered.tree.exists() or not list(ordered.tree.iterdir())
    with (source / "phim.bin").open("wb") as sparse:
        sparse.truncate(5)
    assert files_listing.look(ordered, frozen=True).carriable(ordered).files


def test_a_name_that_is_too_long_is_refused_before_anything_is_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Percent-encoded, a name that is not text is three times as long."""
    folder = (tmp_path / "uploads").joinpath(*[os.fsdecode(b"\xff" * 200)] * 2)
    folder.mkdir(parents=True)
    (folder / "1.pdf").write_text("1")
    ordered = job(tmp_path, tmp_path / "uploads")
    monkeypatch.setattr(files, "Store", lambda *job: None)
    with pytest.raises(StepFailed) as refused:
        files.carry(ordered, Ours(), frozen=False)
    assert refused.value.code == "name-too-long"
    assert not ordered.tree.exists()


def test_no_object_has_more_than_five_tebibytes() -> None:
    part = 2**30
    assert too_large(5 * 2**40, part) is None
    assert too_large(5 * 2**40 + 1, part) == "an object has at most 5,497,558,138,880 bytes"


def test_a_file_that_no_object_can_hold_forbids_the_move() -> None:
    [found] = files_findings.from_survey("uploads", facts(largest="phim.bin", largest_bytes=200 * 10**9), [])
    assert (found.code, found.severity) == ("file-too-large", Severity.BLOCKER)
    assert "phim.bin with 200,000,000,000 bytes" in found.what
    assert list(files_findings.from_survey("uploads", facts(largest="phim.bin", largest_bytes=160 * 10**9), [])) == []
