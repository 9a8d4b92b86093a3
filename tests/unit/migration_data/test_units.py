"""Units: processes that outlive their starter, found again, stopped by id, and closed to earlier turns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from migration.adapters import units as adapter
from migration.adapters.clock import SystemClock, boot
from migration.adapters.database_freeze import wait_for_unit
from migration.adapters.units import ProcessUnits
from migration.errors import StepFailed, UsageError
from migration.ports import UnitStatus
from tests.support.patience import until

SPEAK = """
import json, os, sys, time
secrets = json.load(sys.stdin)
assert secrets == {"job": "hush"}
progress = {"what": "rows", "done": 1, "total": 2, "unit": "rows", "rate_per_second": None, "rows_done": 7}
print(json.dumps({"progress": progress}), flush=True)
until = time.monotonic() + 600
while not os.path.exists(sys.argv[1]) and time.monotonic() < until:
    time.sleep(0.02)
print(json.dumps({"result": {"rows": 2}}), flush=True)
"""


AT_ONCE, NEVER = Path("/"), Path("/nonexistent")


def wait_for(ask: Callable[[], UnitStatus], state: str) -> UnitStatus:
    until(lambda: ask().state == state, state)
    return ask()


def speak(until: Path) -> list[str]:
    """Return what says its progress, and its result once there is this file."""
    return [sys.executable, "-c", SPEAK, str(until)]


@pytest.fixture
def units(tmp_path: Path) -> ProcessUnits:
    return ProcessUnits(tmp_path / "units")


def test_a_unit_tells_its_progress_and_then_its_result(units: ProcessUnits, tmp_path: Path) -> None:
    assert units.status("one").state == "absent"
    units.start("one", speak(tmp_path / "go-on"), secrets={"job": "hush"}, token=1)
    until(lambda: units.status("one").progress is not None)
    running = units.status("one")
    assert running.progress is not None
    assert (running.state, running.progress.done, running.progress.rows_done, running.result) == ("running", 1, 7, None)
    (tmp_path / "go-on").touch()
    assert wait_for(lambda: units.status("one"), "done").result == {"rows": 2}


def test_starting_a_living_unit_again_attaches_to_it(units: ProcessUnits, tmp_path: Path) -> None:
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    known = (tmp_path / "units/one/process.json").read_text()
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=2)
    assert (tmp_path / "units/one/process.json").read_text() == known
    units.stop("one")
    assert not psutil.pid_exists(json.loads(known)["pid"])
    assert units.status("one").state == "absent"


def test_an_earlier_turn_starts_nothing(units: ProcessUnits) -> None:
    units.start("one", speak(AT_ONCE), secrets={"job": "hush"}, token=5)
    wait_for(lambda: units.status("one"), "done")
    with pytest.raises(StepFailed, match="not started"):
        units.start("one", speak(AT_ONCE), secrets={"job": "hush"}, token=4)


def test_a_unit_outlives_whoever_started_it(units: ProcessUnits, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path

from migration.adapters.units import ProcessUnits
argv = {speak(tmp_path / "go-on")!r}
ProcessUnits(Path({str(tmp_path / "units")!r})).start("one", argv, secrets={{"job": "hush"}}, token=1)
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert units.status("one").state == "running"
    (tmp_path / "go-on").touch()
    assert wait_for(lambda: units.status("one"), "done").result == {"rows": 2}


def test_a_killed_unit_is_failed_and_starts_anew(units: ProcessUnits, tmp_path: Path) -> None:
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    psutil.Process(json.loads((tmp_path / "units/one/process.json").read_text())["pid"]).kill()
    assert "ended without a word" in str(wait_for(lambda: units.status("one"), "failed").failure)
    units.start("one", speak(AT_ONCE), secrets={"job": "hush"}, token=1)
    wait_for(lambda: units.status("one"), "done")


def test_a_reused_process_number_is_not_taken_for_the_unit(units: ProcessUnits, tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        folder = tmp_path / "units/one"
        folder.mkdir(parents=True)
        (folder / "process.json").write_text(json.dumps({"pid": stranger.pid, "boot": boot(), "began": "1"}))
        assert units.status("one").state == "failed"
        units.stop("one")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_unit_is_known_again_after_the_machines_time_was_set(
    units: ProcessUnits, monkeypatch: pytest.MonkeyPatch
) -> None:
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    booted = psutil.boot_time()
    # What a time that is set right does: the kernel says that it was booted at another one.
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 60)
    assert units.status("one").state == "running"
    units.stop("one")


def test_no_secret_is_on_the_command_line_in_the_environment_or_in_a_file(units: ProcessUnits, tmp_path: Path) -> None:
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    process = psutil.Process(json.loads((tmp_path / "units/one/process.json").read_text())["pid"])
    seen = " ".join(process.cmdline()[3:]) + json.dumps(process.environ())
    units.stop("one")
    files = "".join(path.read_text() for path in (tmp_path / "units").rglob("*") if path.is_file())
    assert "hush" not in seen + files
    assert not (tmp_path / "units/one").stat().st_mode & 0o077


def test_what_a_broken_unit_printed_is_its_error(units: ProcessUnits) -> None:
    units.start("one", [sys.executable, "-c", "raise SystemExit('no such thing')"], secrets={}, token=1)
    assert "no such thing" in str(wait_for(lambda: units.status("one"), "failed").failure)


def test_an_error_that_a_unit_said_is_its_own_in_all_its_thoughts(units: ProcessUnits) -> None:
    failure = StepFailed("no-room", what="it stopped", why="the disk is full", state="half a copy", next="make room")
    program = f"import json; print(json.dumps({{'error': {failure.as_dict()!r}}})); raise SystemExit(1)"
    units.start("one", [sys.executable, "-c", program], secrets={}, token=1)
    told = wait_for(lambda: units.status("one"), "failed").failure
    assert told is not None
    assert told.as_dict() == failure.as_dict()


class Stopping(SystemClock):
    """A clock whose every wait lets something happen."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens = happens

    def sleep(self, seconds: float) -> None:
        self._happens()


def test_a_mover_that_somebody_stops_is_said_to_be_gone(units: ProcessUnits) -> None:
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    clock = Stopping(lambda: units.stop("one"))
    with pytest.raises(StepFailed, match="not there any more") as gone:
        wait_for_unit(units, "one", clock, lambda _: None, seconds_max=60)
    assert (gone.value.code, "absent" in gone.value.why) == ("mover-gone", True)


def test_a_mover_that_takes_too_long_is_stopped(units: ProcessUnits) -> None:
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    with pytest.raises(StepFailed, match="was stopped") as slow:
        wait_for_unit(units, "one", SystemClock(), lambda _: None, seconds_max=0.0)
    assert (slow.value.code, units.status("one").state) == ("mover-too-slow", "absent")


def test_a_unit_whose_program_is_not_there_is_not_called_started(tmp_path: Path) -> None:
    units = ProcessUnits(tmp_path / "units", systemd=tmp_path / "none")
    with pytest.raises(UsageError, match="could not be started") as refused:
        units.start("one", ["/nowhere/program"], secrets={}, token=1)
    assert (refused.value.code, units.status("one").state) == ("unit-not-started", "absent")


def test_a_unit_that_does_not_end_is_said_to_be_there(
    units: ProcessUnits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its process waits for a disk: no signal reaches it."""
    units.start("one", speak(NEVER), secrets={"job": "hush"}, token=1)
    monkeypatch.setattr(adapter, "_STOP_SECONDS_MAX", 0.1)
    monkeypatch.setattr(adapter, "_signal", lambda *_: None)
    with pytest.raises(StepFailed, match="did not end") as stays:
        units.stop("one")
    assert stays.value.code == "unit-not-stopped"
    assert units.status("one").state == "running", "it may still carry bytes, and has to be found again"
    monkeypatch.undo()
    units.stop("one")
    assert units.status("one").state == "absent"
