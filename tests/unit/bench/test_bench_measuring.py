"""What a measured program starts counts too, and nothing of it is left when it is cut off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.measuring import machine_cpu_seconds, run, tree_cpu_seconds
from lab.errors import LabError

_CHILD = "import sys, time; held = bytearray(48 << 20); print('holding', flush=True); time.sleep(1.5)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}], check=True)"


def test_the_memory_of_a_child_is_counted(tmp_path: Path) -> None:
    found = run([sys.executable, "-c", _PARENT], env=os.environ, log=tmp_path / "log", say=print, limit_seconds=60)
    assert found.peak_memory_bytes > 48 << 20
    assert found.stdout == "holding\n"
    assert found.seconds > 1.5
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
        # The kernel counts a process's ticks of 10 ms apart from its clock: either may be a little behind.
        assert 0.4 <= used < 2
        assert machine_cpu_seconds() - before >= 0.4
        server.communicate()
    assert tree_cpu_seconds(server.pid) == 0
