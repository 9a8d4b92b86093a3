"""What a measured program starts counts too, and nothing of it is left when it is cut off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench import measuring
from bench.measuring import machine_cpu_seconds, run, tree_cpu_seconds
from lab.errors import LabError

HELD = 48 << 20
_CHILD = """
import pathlib, sys, time
held = bytearray(int(sys.argv[2]))
print("holding", flush=True)
until = time.monotonic() + 60
while not pathlib.Path(sys.argv[1]).exists() and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(0.5)
"""
_PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]], check=True)"


def test_the_memory_of_a_child_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, real = tmp_path / "looked", measuring._memory_bytes

    def look(root: psutil.Process) -> int:
        """The child holds its memory until it was looked at: a machine may be too busy to look in time."""
        if (found := real(root)) > HELD:
            looked.touch()
        return found

    monkeypatch.setattr(measuring, "_memory_bytes", look)
    argv = [sys.executable, "-c", _PARENT, _CHILD, str(looked), str(HELD)]
    found = run(argv, env=os.environ, log=tmp_path / "log", say=print, limit_seconds=120)
    assert found.peak_memory_bytes > HELD
    assert found.stdout == "holding\n"
    assert found.seconds > 0.5
    assert 0 < found.cpu_seconds < found.seconds


def test_a_program_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="exited with 3") as told:
        run([sys.executable, "-c", "import sys; print('on the way'); sys.stderr.write('why'); sys.exit(3)"],
            env=os.environ, log=tmp_path / "log", say=print, limit_seconds=60)  # fmt: skip
    assert "on the way" in told.value.why
    assert told.value.why.endswith("why")


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(LabError, match="was too slow") as told:
        run([sys.executable, "-c", code], env=os.environ, log=tmp_path / "log", say=print, limit_seconds=2)
    assert told.value.code == "bench-failed"
    assert not [p for p in psutil.process_iter(["cmdline"]) if code in (p.info["cmdline"] or [])]


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    child = "import time; time.sleep(61)"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); "
    for ending, limit in (("sys.exit(3)", 60.0), ("time.sleep(60)", 1.0)):
        with pytest.raises(LabError):
            run([sys.executable, "-c", parent + ending], env=os.environ, log=tmp_path / "log", say=print,
                limit_seconds=limit)  # fmt: skip
        assert not [p for p in psutil.process_iter(["cmdline"]) if child in (p.info["cmdline"] or [])]


def test_the_cpu_of_a_running_server_is_that_of_its_children_too_ended_or_not() -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    code = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(flush=True)\nsys.stdin.read()"
    )
    before = machine_cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        used = tree_cpu_seconds(server.pid)
        # The kernel counts in ticks, a process's apart from the machine's, and what a host took away in neither or one.
        assert used > 0.1
        assert machine_cpu_seconds() - before > 0.1
        server.communicate()
    assert tree_cpu_seconds(server.pid) == 0
