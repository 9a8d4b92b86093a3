"""Want of room is told from other failures, and every error of it names the place and what is free there."""

from __future__ import annotations

import errno
import json
import sqlite3
import sys
from pathlib import Path

import pytest

from migration.adapters.clock import SystemClock
from migration.adapters.database_freeze import wait_for_unit
from migration.adapters.units import ProcessUnits
from migration.errors import NeedsOperator, StepFailed
from migration.journal import Journal
from migration.movers import files_source, room
from migration.movers.files_job import FilesJob


@pytest.mark.parametrize(
    ("failure", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (sqlite3.OperationalError("database is locked"), False),
        (ValueError("No space left on device"), False),
    ],
)
def test_want_of_room_is_told_from_other_failures(failure: Exception, full: bool) -> None:
    assert room.is_full(failure) is full


def test_the_room_of_a_folder_that_is_not_there_yet_is_that_of_the_nearest(tmp_path: Path) -> None:
    assert room.free_bytes(tmp_path / "a/b/c") > 0
    assert str(tmp_path / "a") in room.left(tmp_path / "a")


def job(tmp_path: Path) -> FilesJob:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.pdf").write_bytes(b"x" * 1_000)
    place = {"endpoint": "http://127.0.0.1:1", "region": "lab", "bucket": "b", "access_key": "a", "secret_key": "s"}
    return FilesJob.model_validate(
        {"system": "portal", "name": "uploads", "token": 1, "source": str(source), "staging": tmp_path / "staging"}
        | place
    )


def test_a_copy_that_would_not_fit_is_refused_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job(tmp_path)
    files_source.assert_room(asked)
    monkeypatch.setattr(room, "free_bytes", lambda place: 16 * 1024 * 1024 + 2_999)
    with pytest.raises(StepFailed) as full:
        files_source.assert_room(asked)
    assert full.value.code == "staging-full"
    assert "3 more files with 3,000 bytes" in full.value.why
    assert str(asked.staging) in full.value.why
    assert str(asked.staging) in full.value.next
    assert list(asked.tree.iterdir()) == []


def test_what_an_earlier_pass_brought_needs_no_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job(tmp_path)
    monkeypatch.setattr(room, "free_bytes", lambda place: 16 * 1024 * 1024 + 1_000)
    files_source.pull(asked, frozen=False)
    files_source.assert_room(asked)


def test_what_a_mover_advises_reaches_the_person(tmp_path: Path) -> None:
    units = ProcessUnits(tmp_path / "units")
    error = {"code": "staging-full", "what": "it does not fit", "why": "7 bytes are free", "next": "make room in /x"}
    units.start(
        "one", [sys.executable, "-c", f"print({json.dumps(json.dumps({'error': error}))})"], secrets={}, token=1
    )
    with pytest.raises(StepFailed) as failed:
        wait_for_unit(units, "one", SystemClock(), lambda progress: None, seconds_max=120)
    assert (failed.value.code, failed.value.why) == ("staging-full", "7 bytes are free")
    assert failed.value.next == "make room in /x"


def test_a_mover_that_ends_without_a_word_leaves_the_room_as_a_hint(tmp_path: Path) -> None:
    units = ProcessUnits(tmp_path / "units")
    units.start("one", [sys.executable, "-c", "raise SystemExit(1)"], secrets={}, token=1)
    with pytest.raises(StepFailed) as failed:
        wait_for_unit(units, "one", SystemClock(), lambda progress: None, seconds_max=120)
    assert "bytes" in failed.value.why
    assert str(tmp_path / "units/one") in failed.value.why


def test_a_journal_that_cannot_be_made_is_an_error_with_the_room_that_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsOperator) as broken:
        Journal(tmp_path / "file" / "journal.sqlite", SystemClock(), lambda holder: True)
    assert broken.value.code == "journal-unusable"
    assert "bytes are free in" in broken.value.why
