"""What a pass into a folder decides before anything is started: what differs, in which pieces, with which words."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from migration.errors import UsageError
from migration.movers import files, folder, folder_batches, folder_copy, folder_listing
from migration.movers.files_index import Index
from migration.movers.files_listing import FILE, Described, Found, Seen
from migration.movers.folder_compare import EXTRA, NAMES, as_listed, differences
from migration.movers.folder_job import FolderJob
from migration.movers.folder_pass import EVERYTHING
from migration.movers.folder_probe import limited
from tests.support import liars


def seen(*paths: str, same: dict[str, str] | None = None) -> Seen:
    """Return a list of files that are alike in everything; `same` says which share one."""
    found = Seen({}, {})
    for path in map(os.fsencode, paths):
        found.files[path] = Found(1, 5, 0o644)
        found.described[path] = Described(FILE, b"", 0o644, 0, 0, 1, 7, "{}")
    for path, which in (same or {}).items():
        found.same[os.fsencode(path)] = which.encode()
    return found


def said(source: Seen, target: Seen) -> dict[bytes, tuple[str, ...]]:
    return {path: one.what for path, one in differences(source, target, EVERYTHING).items()}


def test_equal_lists_have_no_difference() -> None:
    assert said(seen("a", "b"), seen("a", "b")) == {}


def test_names_share_a_file_among_themselves_whatever_its_number_is() -> None:
    there = seen("a", "b", "c", same={"a": "1", "b": "1"})
    assert said(there, seen("a", "b", "c", same={"a": "9:4", "b": "9:4"})) == {}
    assert said(there, seen("a", "b", "c")) == {b"a": (NAMES,), b"b": (NAMES,)}
    assert said(there, seen("a", "b", "c", same=dict.fromkeys("abc", "2"))) == dict.fromkeys(
        (b"a", b"b", b"c"), (NAMES,)
    )


def test_a_name_outside_of_the_tree_is_no_name_of_it() -> None:
    assert said(seen("a", same={"a": "1"}), seen("a")) == {}


def test_what_goes_leaves_the_other_names_alone() -> None:
    """Else each name that is deleted at the source would bring its content anew."""
    assert said(seen("a"), seen("a", "b", same={"a": "1", "b": "1"})) == {b"b": (EXTRA,)}


def test_what_people_decided_to_do_without_is_no_difference() -> None:
    there = seen("a")
    there.described[b"a"] = replace(there.described[b"a"], owner=33, attributes='{"user.x": "eA=="}')
    assert said(there, seen("a")) == {b"a": ("owner", "attribute user.x")}
    without = limited(EVERYTHING, ["owners", "attributes"])
    assert differences(there, seen("a"), without) == {}


def test_labels_of_the_platform_are_no_difference() -> None:
    there = seen("a")
    there.described[b"a"] = replace(
        there.described[b"a"], attributes='{"security.selinux": "eA==", "trusted.x": "eA=="}'
    )
    assert said(there, seen("a")) == {}


def test_attributes_that_nobody_read_are_not_compared() -> None:
    there = seen("a")
    there.described[b"a"] = replace(there.described[b"a"], attributes=None)
    here = seen("a")
    here.described[b"a"] = replace(here.described[b"a"], attributes='{"user.x": "eA=="}')
    assert said(there, here) == {}


def test_an_entry_whose_ctime_moved_was_not_at_rest() -> None:
    before, after = seen("a"), seen("a")
    assert as_listed(b"a", before, after)
    assert as_listed(b"b", before, after), "it was there in neither"
    after.described[b"a"] = replace(after.described[b"a"], changed_ns=8)
    assert not as_listed(b"a", before, after)
    assert not as_listed(b"a", before, seen())


def test_the_largest_come_first_and_no_file_is_divided() -> None:
    sizes = {b"large": 5 * 1024**3, **{f"{number}".encode(): 100 for number in range(5_000)}}
    made = folder_batches.batches(sizes, 4)
    assert made[0] == [b"large"]
    assert sorted(path for piece in made for path in piece) == sorted(sizes)
    assert max(map(len, made)) < 5_000, "many small files are pieces, too"
    assert folder_batches.batches({}, 4) == []


def test_what_is_too_little_for_two_connections_is_one_piece() -> None:
    assert len(folder_batches.batches({f"{number}".encode(): 1_000 for number in range(600)}, 4)) == 1


def job(tmp_path: Path, **other: object) -> FolderJob:
    (tmp_path / "volume").mkdir()
    whole = {"system": "portal", "name": "templates", "token": 1, "source": str(tmp_path), "become": []}
    return FolderJob.model_validate(whole | {"folder": tmp_path / "volume", "staging": tmp_path / "staging"} | other)


def test_the_room_that_is_needed_is_what_files_take_and_shared_ones_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = seen("a", "b", "thin", same={"a": "1", "b": "1"})
    there.files[b"a"] = there.files[b"b"] = Found(1_000, 5, 0o644)
    there.files[b"thin"] = Found(10**12, 5, 0o644)
    there.thin[b"thin"] = 4_096
    wanted = list(differences(there, seen(), EVERYTHING).values())
    monkeypatch.setattr(folder_copy.room, "free_bytes", lambda place: 5_095)
    assert folder_copy.without_room(job(tmp_path), there, wanted) == "2 files with 5,096 bytes are to come"
    monkeypatch.setattr(folder_copy.room, "free_bytes", lambda place: 5_096)
    assert folder_copy.without_room(job(tmp_path / "volume"), there, wanted) is None


class Ours:
    """A turn that lasts."""

    def assert_ours(self) -> None:
        """Hold."""


def test_several_rsyncs_share_the_speed_that_people_want(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    liars.script(tmp_path / "bin", "rsync", f'cat > /dev/null; echo "$*" >> {tmp_path}/words')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "limit").write_text(str(1024 * 1024))
    order = job(tmp_path, workers=2, limit_file=tmp_path / "limit")
    there = seen("a", "b", "c")
    for path in (b"a", b"b", b"c"):
        there.files[path] = Found(2**30, 5, 0o644)
    throttle = folder_copy.Throttle(order.limit_file)
    copy = folder_copy.Copy(order, EVERYTHING, Ours(), throttle, None, frozen=False)  # type: ignore[arg-type]
    copy.bring(there, seen(), [b"a", b"b", b"c"])
    said = (tmp_path / "words").read_text().splitlines()
    assert [line.partition("--bwlimit=")[2].split()[0] for line in said] == ["512", "512", "512", "1024"]
    assert len({line.partition("--temp-dir=")[2].split()[0] for line in said}) == 4, "none throws away another's files"
    assert all("--ignore-missing-args" in line for line in said)


def test_a_walk_sees_neither_ours_nor_the_file_systems_own(tmp_path: Path) -> None:
    for name in (".dcshift/x", "lost+found/y", "a/lost+found/z"):
        (tmp_path / name).mkdir(parents=True)
    assert sorted(folder_listing.walk(tmp_path).described) == [b"", b"a", b"a/lost+found", b"a/lost+found/z"]


def test_a_bucket_is_only_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = {"endpoint": "http://127.0.0.1:1", "region": "lab", "bucket": "b", "access_key": "a", "secret_key": "s"}
    whole = {"system": "portal", "name": "uploads", "token": 1, "source": "/nowhere", "staging": str(tmp_path / "s")}
    (tmp_path / "job").write_text(json.dumps(whole | place))
    assert files.main(["--job", str(tmp_path / "job"), "--do", "last"]) == UsageError.exit_code
    assert "a bucket's job knows `move` alone" in capsys.readouterr().out
    assert not (tmp_path / "s").exists()


def test_a_folder_that_the_target_removes_while_it_is_listed_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "goes").mkdir()
    (tmp_path / "stays").mkdir()
    scandir = os.scandir

    def gone(path: bytes) -> object:
        if path.endswith(b"/goes"):
            (tmp_path / "goes").rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", gone)
    seen = folder_listing.walk(tmp_path)
    assert (seen.described.keys(), seen.times.keys()) == ({b"", b"stays"}, {b"", b"stays"})
    with pytest.raises(FileNotFoundError):
        folder_listing.walk(tmp_path / "nowhere")


def test_a_removal_that_was_killed_behind_its_mark_is_ended_by_the_next(tmp_path: Path) -> None:
    job = FolderJob.model_validate(
        {
            "system": "portal", "name": "uploads", "token": 1, "source": "/nowhere", "staging": str(tmp_path / "s"),
            "folder": str(tmp_path / "there"),
        }
    )  # fmt: skip
    job.ours.mkdir(parents=True)
    (job.ours / "lock").touch()
    assert folder.remove(job, Index(tmp_path)) == {"removed": 0}
    assert list(job.folder.iterdir()) == []
    (job.ours / "of-others").mkdir(parents=True)
    folder.remove(job, Index(tmp_path))
    assert (job.ours / "of-others").exists()
