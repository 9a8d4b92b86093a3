"""Programs of this machine that end well and did nothing: whoever starts them for the engine notices."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.ansible import AnsiblePlaybooks
from migration.adapters.clock import SystemClock
from migration.adapters.database_freeze import wait_for_unit
from migration.adapters.ssh import WarmSsh
from migration.adapters.units import ProcessUnits
from migration.errors import MigrationError, StepFailed
from migration.movers import files_source
from migration.movers.files_job import FilesJob
from migration.movers.host_load import HostLoad
from migration.movers.limits import Reading, Unread
from tests.support import liars
from tests.support.patience import until
from tests.unit.migration_adapters.test_reach import inventory_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "liars"


@pytest.fixture
def python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python beside which lies what lies beside the true one, and which itself lies: it does not even listen."""
    liars.script(folder, "python", f"echo >> {folder}/lies")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def job(tmp_path: Path, **other: Any) -> FilesJob:
    store = {"endpoint": "http://127.0.0.1:9", "region": "lab", "bucket": "b", "access_key": "a", "secret_key": "s"}
    source = tmp_path / "uploads"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("one")
    whole = {"system": "portal", "name": "uploads", "token": 1, "source": str(source), "staging": tmp_path / "staging"}
    return FilesJob.model_validate({**store, **whole, **other})


def test_an_ssh_that_reaches_nobody_has_let_us_in_nowhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = WarmSsh(inventory_file(tmp_path))
    liars.plant(folder, monkeypatch, "ssh")
    refused = ssh.refusals(["app1", "db1"])
    assert {host: failure.code for host, failure in refused.items()} == dict.fromkeys(
        ("app1", "db1"), "program-not-believed"
    )
    assert "db1 was to say one word" in refused["db1"].why
    with pytest.raises(StepFailed, match="app1 was to say one word"):
        ssh.warm(["app1"])
    liars.assert_lied(folder)


def test_an_ssh_that_says_what_a_host_would_say_is_believed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A host greets before it obeys; the last words are the command.
    liars.script(folder, "ssh", 'for word; do shift; [ "$word" = -- ] && break; done; echo welcome; sh -c "$*"')
    liars.on_path(folder, monkeypatch)
    ssh = WarmSsh(inventory_file(tmp_path))
    assert ssh.refusals(["app1"]) == {}
    ssh.warm(["app1"])


def test_files_over_an_ssh_that_reaches_nobody_are_not_carried(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liars.plant(folder, monkeypatch, "ssh")
    order = job(tmp_path, reach=["ssh", "files1"])
    with pytest.raises(StepFailed, match="rsync exited with"):
        files_source.pull(order, frozen=False)
    with pytest.raises(StepFailed, match="comparing the files failed"):
        files_source.compare(order, content=False)
    liars.assert_lied(folder)


def test_a_load_that_nobody_read_is_unread(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = HostLoad(job(tmp_path))
    assert isinstance(source.read(), Reading)
    liars.plant(folder, monkeypatch, "cat")
    assert source.read() == Unread("/proc/loadavg said ''")
    liars.assert_lied(folder)


def test_an_inventory_that_was_not_read_is_told_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: None
) -> None:
    liars.lying(folder, "ansible-inventory", "false")
    (failure,) = WarmSsh(inventory_file(tmp_path)).refusals(["db1"]).values()
    assert failure.code == "program-not-believed"
    assert "it says: nothing" in failure.why
    liars.assert_lied(folder)


def test_a_job_host_that_ends_without_a_word_has_played_nothing(tmp_path: Path, folder: Path, python: None) -> None:
    playbooks = tmp_path / "playbooks"
    playbooks.mkdir()
    (playbooks / "prepare.yml").touch()
    books = AnsiblePlaybooks(inventory_file(tmp_path), tmp_path / "state", project=playbooks)
    with pytest.raises(StepFailed) as told:
        books.run("prepare", limit=["db1"], variables={})
    assert told.value.code == "playbook-did-not-run"
    liars.assert_lied(folder)


@pytest.fixture
def units(tmp_path: Path) -> Iterator[ProcessUnits]:
    made = ProcessUnits(tmp_path / "units", systemd=tmp_path)
    yield made
    made.stop("one")


def moved(units: ProcessUnits) -> MigrationError:
    """Let a mover run and return why it failed."""
    units.start("one", [sys.executable, "-c", "print('{\"result\": {}}')"], secrets={"job": "hush"}, token=1)
    with pytest.raises(StepFailed) as told:
        wait_for_unit(units, "one", SystemClock(), lambda _: None, seconds_max=120)
    return told.value


def test_a_mover_that_ends_without_a_word_has_moved_nothing(tmp_path: Path, folder: Path, python: None) -> None:
    assert moved(ProcessUnits(tmp_path / "units", systemd=tmp_path / "none")).code == "mover-failed"
    liars.assert_lied(folder)


def test_a_scope_that_starts_nothing_has_moved_nothing(
    units: ProcessUnits, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liars.lying(folder, "systemd-run", "false")
    liars.on_path(folder, monkeypatch)
    assert moved(units).code == "mover-failed"
    liars.assert_lied(folder)


def test_where_systemd_rules_a_unit_has_a_scope_of_its_own(
    units: ProcessUnits, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the true one with --scope: it becomes the program, which keeps its id, its stdin and its outputs.
    asked = folder / "asked"
    take = 'while case "$1" in --*) ;; *) false;; esac; do shift; done; exec "$@"'
    liars.script(folder, "systemd-run", f'echo "$*" > {asked}; {take}')
    liars.on_path(folder, monkeypatch)
    said = "import json, sys; print(json.dumps({'result': json.load(sys.stdin)}))"
    units.start("one", [sys.executable, "-c", said], secrets={"job": "hush"}, token=1)
    until(lambda: units.status("one").state != "running")
    assert units.status("one").result == {"job": "hush"}
    assert asked.read_text().startswith("--scope --quiet --collect --unit=dcshift-one-")


def test_a_true_scope_knows_the_words_that_we_use() -> None:
    if shutil.which("systemd-run") is None:
        pytest.skip("no systemd-run here")
    known = subprocess.run(["systemd-run", "--help"], capture_output=True, text=True, check=True, timeout=120).stdout
    assert not [word for word in ("--scope", "--quiet", "--collect", "--unit=") if word not in known]
