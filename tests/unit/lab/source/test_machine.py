"""A host is known by its cgroups: a stale pid file must never make us signal a stranger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.source import machine


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "RUN", tmp_path)
    for tree in ("systemd", "unified"):
        folder = tmp_path / "cgroup" / tree / "dcshift-db1" / "payload"
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text("4000002\n4000003\n")
        (folder.parent / "cgroup.procs").write_text("4000001\n")
    return tmp_path / "cgroup"


def test_the_processes_of_a_host_are_those_of_all_its_cgroups(cgroups: Path) -> None:
    assert machine.processes("db1") == [4000001, 4000002, 4000003]
    assert machine.processes("app1") == []


def test_a_pid_file_that_names_a_stranger_is_not_believed(cgroups: Path) -> None:
    (cgroups.parent / "source-db1.pid").write_text(str(os.getpid()))
    assert machine._supervisor("db1") is None


def test_a_pid_file_that_names_a_process_of_the_host_is_believed(cgroups: Path) -> None:
    (cgroups.parent / "source-db1.pid").write_text("4000001\n")
    assert machine._supervisor("db1") == 4000001


def test_a_torn_pid_file_is_no_supervisor(cgroups: Path) -> None:
    (cgroups.parent / "source-db1.pid").write_text("")
    assert machine._supervisor("db1") is None
