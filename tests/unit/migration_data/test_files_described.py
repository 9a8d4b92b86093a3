"""Owners, links, attributes and ACLs, as a source tells them to whoever installs nothing there."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from migration.adapters.files_at_source import not_brought
from migration.errors import StepFailed
from migration.movers import files_attributes, files_described, files_listing
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from tests.unit.migration_data.test_files_listing import job

NAME = "user.ghi-chu"


class Source:
    """A set of two files and a folder, and a `python3` that notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "uploads"
        (self.files / "trống").mkdir(parents=True)
        self.one, self.two = self.files / "một.pdf", self.files / "hai.pdf"
        self.one.write_text("1")
        self.two.write_text("2")
        self.job: FilesJob = job(folder, self.files)
        self.index = Index(self.job.staging)
        self.python, self._asked = folder / "bin" / "python3", folder / "asked"
        self.python.parent.mkdir()
        self.answer(f'tee -a {self._asked} | exec {sys.executable} "$@"')

    def answer(self, line: str) -> None:
        self.python.write_text(f"#!/bin/sh\n{line}\n")
        self.python.chmod(0o755)

    def record(self, *, frozen: bool = False) -> list[str]:
        """Record what is there; return for which paths attributes were asked."""
        self._asked.write_bytes(b"")
        seen = files_listing.look(self.job, frozen=frozen)
        put = [Entry(path, "k", one.size, one.mtime_ns, one.mode, "", "", None) for path, one in seen.files.items()]
        self.index.change(put=put)
        files_described.record(self.job, self.index, seen, frozen=frozen)
        return sorted(self._asked.read_text().split("\0")[:-1])


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    made = Source(tmp_path)
    monkeypatch.setenv("PATH", f"{made.python.parent}:{os.environ['PATH']}")
    return made


@pytest.fixture
def settled(source: Source, monkeypatch: pytest.MonkeyPatch) -> Source:
    """The same, as it is when its files were written long ago."""
    monkeypatch.setattr(files_attributes, "_CLOCKS_NS", -(10**9))
    source.record()
    return source


def test_attributes_are_read_with_what_the_host_has(source: Source) -> None:
    os.setxattr(source.one, NAME, b"\x00\xff")
    os.setxattr(source.files / "trống", NAME, b"x")
    source.record()
    found = {os.fsdecode(path): one.attributes for path, one in source.index.described().items()}
    assert found == {"một.pdf": f'{{"{NAME}": "AP8="}}', "hai.pdf": "{}", "trống": f'{{"{NAME}": "eA=="}}'}
    assert source.index.count_with_attributes() == 2


def test_only_what_changed_is_asked_for_again(settled: Source) -> None:
    assert settled.record(frozen=True) == []
    os.setxattr(settled.one, NAME, b"x")
    assert not_brought(settled.job) == [f"file một.pdf: differs (attribute {NAME})"]
    assert settled.record(frozen=True) == ["một.pdf"]
    assert not_brought(settled.job) == []
    settled.one.chmod(0o600)
    settled.one.chmod(0o644)
    assert not_brought(settled.job) == [], "its ctime moved, and nothing else"


def test_what_was_written_just_now_is_asked_for_again(source: Source) -> None:
    """A second change may stand under the same ctime: clocks of file systems have ticks."""
    everything = sorted(("hai.pdf", "một.pdf", "trống"))
    assert source.record() == everything
    assert source.record(frozen=True) == everything


def test_a_folder_is_compared_too_but_for_the_folders_in_it(settled: Source) -> None:
    (settled.files / "trống" / "sâu").mkdir()
    assert not_brought(settled.job) == ["folder trống/sâu: is new at the source"]
    (settled.files / "trống").chmod(0o700)
    assert "folder trống: differs (mode)" in not_brought(settled.job)


def test_a_host_without_python_is_recorded_without_attributes(source: Source) -> None:
    source.answer("echo sh: 1: python3: not found >&2; exit 127")
    assert files_attributes.unread(source.job) == "sh: 1: python3: not found"
    source.record()
    assert source.index.fact(files_described.UNREAD) == "sh: 1: python3: not found"
    source.record(frozen=True)
    os.setxattr(source.one, NAME, b"x")
    assert not_brought(source.job) == []
    source.answer(f'exec {sys.executable} "$@"')
    source.record()
    assert source.index.fact(files_described.UNREAD) is None
    assert not_brought(source.job) == []


def test_what_could_be_read_before_the_freeze_must_be_in_it(settled: Source) -> None:
    settled.one.write_text("other")
    for answer, code in (("exit 1", "mover-program-failed"), ("exit 0", "program-not-believed")):
        settled.answer(answer)
        with pytest.raises(StepFailed) as refused:
            settled.record(frozen=True)
        assert refused.value.code == code


def test_what_goes_meanwhile_is_no_error(source: Source) -> None:
    seen = files_listing.look(source.job, frozen=False)
    source.one.unlink()
    shutil.rmtree(source.files / "trống")
    files_described.record(source.job, source.index, seen, frozen=False)
    found = {os.fsdecode(path): one.attributes for path, one in source.index.described().items()}
    assert found == {"một.pdf": None, "hai.pdf": "{}", "trống": None}
