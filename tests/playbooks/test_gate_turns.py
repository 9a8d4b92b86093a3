"""The tool of the gate as several processes of one host use it: who waits, who is refused; a real HAProxy."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.loopback import free_ports
from tests.support.gate_world import HOST, ROLE, World, certificate, wait_until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("haproxy", path="/usr/sbin:/usr/bin"),
    reason="needs haproxy, and root because turns are kept in /var/lib/dcshift",
)
SYSTEM = f"gate-turns-{os.getpid()}"
TURN = Path("/var/lib/dcshift/turn") / SYSTEM


class LocalGate(World):
    """The gate on this machine's own loopback: nobody is redirected to it, it is only switched."""

    def inside(self, *words: str, background: bool = False) -> str:
        if background:
            self.processes.append(subprocess.Popen(words, stderr=subprocess.DEVNULL))
            return ""
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout

    def begin(self, turn: int, *words: str, patient: bool = True) -> subprocess.Popen[str]:
        """Start the tool under a turn, as an SSH connection would, and return while it runs.

        A patient one waits for minutes: what a test does meanwhile may take a busy machine longer than some seconds.
        """
        text, waits = (ROLE / "files" / "dcshift-gate").read_text(), "WAIT_SECONDS_MAX = 8\n"
        assert waits in text
        (self.folder / "dcshift-gate").write_text(text.replace(waits, "WAIT_SECONDS_MAX = 300\n") if patient else text)
        tool = [sys.executable, "-IS", str(self.folder / "dcshift-gate"), "--folder", str(self.folder / "gate")]
        argv = [*tool, "--turn", f"{SYSTEM}:{turn}", *words]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @contextmanager
    def another_change(self) -> Iterator[None]:
        """Be in the middle of a change of this gate."""
        with (self.folder / "state" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[LocalGate]:
    certificate(tmp_path)
    made = LocalGate(tmp_path, "")
    silent, ports = socket.create_server(("127.0.0.1", 0)), free_ports(2)
    made.settings |= {
        "gate_port": ports[0],
        "gate_public_port": ports[1],
        "gate_source_address": f"127.0.0.1:{silent.getsockname()[1]}",
    }
    try:
        made.install()
        made.tool("set", "site", "hold")
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()
        silent.close()
        TURN.unlink(missing_ok=True)


def waits(process: subprocess.Popen[str]) -> bool:
    """Say whether a process comes to wait for the lock instead of ending."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        blocked = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
        if any(words[5] == str(process.pid) for words in blocked):
            return True
        time.sleep(0.01)
    return False


def said(process: subprocess.Popen[str]) -> tuple[int, Any, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, json.loads(out) if out else None, err


def test_a_release_that_waited_while_its_turn_ended_is_refused(gate: LocalGate) -> None:
    with gate.another_change():
        stale = gate.begin(6, "release", "site")
        assert waits(stale)
        TURN.parent.mkdir(parents=True, exist_ok=True)
        TURN.write_text("7\n")
    status, _, error = said(stale)
    assert status == 1
    assert f"turn 6 of {SYSTEM} is over" in error
    assert gate.tool("status")["sites"]["site"]["state"] == "hold"


@pytest.mark.parametrize("first", ["release", "status"])
def test_a_status_with_a_turn_is_never_read_beside_a_release_of_an_older_turn(gate: LocalGate, first: str) -> None:
    words = {"release": (6, "release", "site"), "status": (7, "status")}
    with gate.another_change():
        started = {}
        for name in (first, *(words.keys() - {first})):
            started[name] = gate.begin(words[name][0], *words[name][1:])
            assert waits(started[name]), f"the {name} did not wait for its turn"
    released, seen = said(started["release"])[0] == 0, said(started["status"])
    assert seen[0] == 0
    # Whoever was told "hold" may let the source serve: then the release must not have come after it.
    assert seen[1]["sites"]["site"]["state"] == ("target" if released else "hold")
    assert gate.tool("status")["sites"]["site"]["state"] == ("target" if released else "hold")


def test_a_status_without_a_turn_waits_for_nobody(gate: LocalGate) -> None:
    with gate.another_change():
        assert gate.tool("status")["sites"]["site"]["state"] == "hold"


def test_whoever_waits_too_long_is_told_so_and_changes_nothing(gate: LocalGate) -> None:
    with gate.another_change():
        status, _, error = said(gate.begin(6, "release", "site", patient=False))
    assert status == 1
    assert "another change of this gate is not over after 8 s" in error
    assert gate.tool("status")["sites"]["site"]["state"] == "hold"
    assert not TURN.exists()


def test_a_release_is_refused_unless_the_site_is_held_and_one_that_stopped_halfway_is_finished(gate: LocalGate) -> None:
    gate.tool("set", "site", "source")
    status, _, error = said(gate.begin(6, "release", "site"))
    assert status == 1
    assert "site is not held but on source" in error
    assert gate.tool("status")["sites"]["site"]["decided"] == "source"
    gate.tool("set", "site", "hold")
    (gate.folder / "state" / "sites.map").write_text("site target\n")
    assert said(gate.begin(6, "release", "site"))[0] == 0
    assert gate.tool("status")["sites"]["site"]["state"] == "target"


def test_a_release_is_refused_while_somebody_is_at_the_source(gate: LocalGate) -> None:
    gate.tool("set", "site", "source")
    with socket.create_connection(("127.0.0.1", gate.settings["gate_port"])) as raw:
        context = ssl.create_default_context(cafile=str(gate.folder / "ca.pem"))
        with context.wrap_socket(raw, server_hostname=HOST) as citizen:
            citizen.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            wait_until(lambda: gate.tool("status")["sites"]["site"]["under_way"]["source"] == 1)
            gate.tool("set", "site", "hold")
            status, _, error = said(gate.begin(6, "release", "site"))
    assert status == 1
    assert "1 requests of site are under way at the source" in error
    assert gate.tool("status")["sites"]["site"]["state"] == "hold"
