"""Private servers get ports that no outgoing connection takes, and end with whoever started them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab import loopback
from lab.errors import LabError
from tests.support.patience import SECONDS_MAX, until


def test_ports_are_free_different_and_never_given_to_outgoing_connections() -> None:
    ports = loopback.free_ports(50)
    assert len(set(ports)) == 50
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()[0])
    assert max(ports) < lowest
    for port in ports:
        with socket.socket() as probe:
            probe.bind((loopback.HOST, port))


def test_a_port_that_is_taken_is_not_given_and_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = loopback.free_ports(2)
    if first > second:
        first, second = second, first
    monkeypatch.setattr(loopback, "_PORTS", range(first, second + 1, second - first))
    with socket.socket() as taken:
        taken.bind((loopback.HOST, first))
        taken.listen()
        assert loopback.free_ports(1) == [second]
        with pytest.raises(LabError, match="not 2 free ports"):
            loopback.free_ports(2)


def test_a_port_that_was_given_is_nobody_elses_until_its_asker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server does not listen yet; another test in another process must not get it meanwhile."""
    first, second = sorted(loopback.free_ports(2))
    both = range(first, second + 1, second - first)
    code = f"from lab import loopback; loopback._PORTS = {both!r}; loopback.free_ports(1)"
    other = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert "there are not 1 free ports" in other.stderr
    monkeypatch.setattr(loopback, "_PORTS", both)
    assert sorted(loopback.free_ports(1) + loopback.free_ports(1)) == [first, second]


def test_a_server_hears_ctrl_c_although_its_starter_does_not(tmp_path: Path) -> None:
    """What a shell starts in the background ignores it, and so does all that is started from there."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loopback.running(["sleep", "600"], tmp_path / "log") as server:
            until(lambda: psutil.Process(server.pid).name() == "sleep")
    finally:
        signal.signal(signal.SIGINT, before)
    assert server.returncode == -signal.SIGINT


def test_a_server_ends_with_its_block_and_keeps_its_log(tmp_path: Path) -> None:
    code = "import time; print('up', flush=True); time.sleep(600)"
    with loopback.running([sys.executable, "-c", code], tmp_path / "log") as server:
        until((tmp_path / "log").read_text)
    assert server.returncode == -signal.SIGINT
    assert (tmp_path / "log").read_text(encoding="utf-8").startswith("up")


@pytest.mark.parametrize(
    ("code", "refused", "why"),
    [
        ("import sys; sys.exit('no room')", "nobody there", "no room"),
        ("pass", "nobody there", "nobody there"),
        ("pass", "", "it said nothing"),
    ],
)
def test_a_server_that_ended_is_not_waited_for_and_says_why(tmp_path: Path, code: str, refused: str, why: str) -> None:
    with loopback.running([sys.executable, "-c", code], tmp_path / "log") as server:
        server.wait()
        assert loopback.unready(server, tmp_path / "log", lambda: refused, seconds_max=3600) == why


def test_a_server_is_asked_until_it_answers_or_the_time_is_over(tmp_path: Path) -> None:
    refusals = ["starting", "recovering"]
    with loopback.running(["sleep", "600"], tmp_path / "log") as server:
        ask = iter([*refusals, None]).__next__
        assert loopback.unready(server, tmp_path / "log", ask, seconds_max=3600) is None
        asked = iter(refusals)
        assert loopback.unready(server, tmp_path / "log", lambda: next(asked), seconds_max=0) == "starting"


def test_a_server_whose_starter_is_killed_ends(tmp_path: Path) -> None:
    code = "from lab import loopback; import sys, time, pathlib\n"
    code += "print(loopback.begin(['sleep', '600'], pathlib.Path(sys.argv[1])).pid, flush=True); time.sleep(600)"
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    server = psutil.Process(int(starter.stdout.readline()))
    until(lambda: server.name() == "sleep")  # it is setpriv until it has promised to end
    starter.kill()
    starter.communicate()
    server.wait(SECONDS_MAX)
