"""The lab never touches another centre, and another centre's records never lie where the lab removes them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab import records
from lab.demo import shell
from lab.errors import LabError
from migration import places
from migration.errors import UsageError
from migration.wiring import Workspace


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    journal, pulumi = tmp_path / "state", tmp_path / "pulumi"
    monkeypatch.setattr(records, "JOURNAL_FOLDER", journal)
    monkeypatch.setattr(records, "PULUMI", pulumi)
    return journal, pulumi


def test_what_the_lab_began_goes_with_it(folders: tuple[Path, Path]) -> None:
    folders[0].mkdir()  # an empty folder is nobody's
    records.begin()
    (folders[0] / "journal.sqlite").write_text("the lab's")
    records.begin()
    records.forget()
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("whose", [0, 1])
def test_records_of_another_centre_are_neither_used_nor_removed(folders: tuple[Path, Path], whose: int) -> None:
    kept = folders[whose] / "config" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("a province's")
    with pytest.raises(LabError) as refused:
        records.begin()
    assert refused.value.code == "records-of-another-centre"
    assert not folders[1 - whose].exists()
    records.forget()
    assert kept.read_text() == "a province's"


def test_another_centre_does_not_begin_in_folders_that_go_with_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places._LAB_MARK == records.MARK
    (tmp_path / records.MARK).touch()
    monkeypatch.setenv("DCSHIFT_STATE", str(tmp_path))
    Workspace.from_environment().assert_records_of_this_centre(tmp_path)
    for variable in ("KUBECONFIG", "DCSHIFT_INVENTORY"):
        with monkeypatch.context() as other:
            other.setenv(variable, str(tmp_path / "theirs"))
            with pytest.raises(UsageError) as refused:
                Workspace.from_environment()
            assert refused.value.code == "records-of-the-lab"


def test_an_identity_that_the_lab_lends_works_on_the_labs_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_LAB", tmp_path)
    (tmp_path / "target").mkdir()
    (tmp_path / records.MARK).touch()

    def kubeconfig(file: Path, server: str, user: str) -> Path:
        cluster = {"server": server, "certificate-authority-data": "bGFi"}
        document = {"clusters": [{"name": user, "cluster": cluster}], "users": [{"name": user, "user": {}}]}
        file.write_text(json.dumps(document))
        return file

    kubeconfig(tmp_path / "target" / "kubeconfig", "https://192.0.2.10:6443", "admin")
    lent = kubeconfig(tmp_path / "lent", "https://192.0.2.10:6443", "deploy-portal")
    monkeypatch.setenv("KUBECONFIG", str(lent))
    Workspace.from_environment().assert_records_of_this_centre(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "other", "https://10.0.0.10:6443", "deploy-portal")))
    with pytest.raises(UsageError) as refused:
        Workspace.from_environment().assert_records_of_this_centre(tmp_path)
    assert refused.value.code == "records-of-the-lab"


def test_no_program_of_the_lab_is_told_of_another_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ("KUBECONFIG", "DCSHIFT_INVENTORY", "DCSHIFT_STATE", "PULUMI_BACKEND_URL", "AWS_ENDPOINT_URL", "PGHOST")
    for variable in theirs:
        monkeypatch.setenv(variable, "/theirs")
    monkeypatch.setenv("DCSHIFT_CACHE", "/ours")
    told = shell.environment()
    assert not any(variable in told for variable in theirs)
    assert told["DCSHIFT_CACHE"] == "/ours"
    assert told["HOME"] == os.environ["HOME"]
