"""Private servers get ports that no outgoing connection takes, and end with whoever started them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab import loopback
from lab.errors import LabError


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


def test_a_server_ends_with_its_block_and_keeps_its_log(tmp_path: Path) -> None:
    code = "import time; print('up', flush=True); time.sleep(60)"
    with loopback.running([sys.executable, "-c", code], tmp_path / "log") as server:
        while not (tmp_path / "log").read_text(encoding="utf-8"):
            time.sleep(0.05)
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
    with loopback.running(["sleep", "60"], tmp_path / "log") as server:
        ask = iter([*refusals, None]).__next__
        assert loopback.unready(server, tmp_path / "log", ask, seconds_max=3600) is None
        asked = iter(refusals)
        assert loopback.unready(server, tmp_path / "log", lambda: next(asked), seconds_max=0) == "starting"


def test_a_server_whose_starter_is_killed_ends(tmp_path: Path) -> None:
    code = "from lab import loopback; import sys, time, pathlib\n"
    code += "print(loopback.begin(['sleep', '60'], pathlib.Path(sys.argv[1])).pid, flush=True); time.sleep(60)"
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    server = psutil.Process(int(starter.stdout.readline()))
    while server.name() != "sleep":  # it is setpriv until it has promised to end
        time.sleep(0.05)
    starter.kill()
    starter.communicate()
    server.wait(10)
