"""What the source's own listing sees, which decides under the freeze what is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from migration.errors import StepFailed
from migration.movers import files, files_source
from migration.movers.files_index import Entry
from migration.movers.files_job import FilesJob


def job(folder: Path, source: Path) -> FilesJob:
    staging = folder / "staging"
    staging.mkdir()
    return FilesJob(
        system="portal",
        name="uploads",
        source=str(source),
        become=[],
        staging=staging,
        endpoint="http://127.0.0.1:1",
        region="r",
        bucket="b",
        access_key="a",
        secret_key=SecretStr("s"),
    )


def test_a_source_that_is_a_link_to_its_folder_is_listed_as_rsync_reads_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "hồ sơ.pdf").write_text("1")
    (tmp_path / "uploads").symlink_to("shared")
    found = files_source.listing(job(tmp_path, tmp_path / "uploads"))
    assert list(found) == ["hồ sơ.pdf".encode()]


def test_a_source_that_lists_nothing_any_more_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uploads").mkdir()
    carried = object.__new__(Entry)
    monkeypatch.setattr(files.Index, "entries", lambda index: {b"a": carried})
    monkeypatch.setattr(files, "Store", lambda job: None)
    with pytest.raises(StepFailed) as refused:
        files.carry_last(job(tmp_path, tmp_path / "uploads"))
    assert refused.value.code == "source-files-vanished"
