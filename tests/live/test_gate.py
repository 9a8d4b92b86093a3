"""The gate on its own: what it promises to citizens, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.gate_world import HAPROXY, HOST, OUTSIDE, Clients, haproxy_of_debian_11, post, wait_until, world

_PROGRAMS = ("haproxy", "nft", "ip", "nsenter")
_LACKING = [program for program in _PROGRAMS if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or bool(_LACKING), reason=f"needs root, lacks: {', '.join(_LACKING)}"),
]


@pytest.mark.parametrize("release", ["this machine's", "Debian 11's"])
def test_no_request_is_refused_doubled_or_served_by_the_wrong_side(tmp_path: Path, release: str) -> None:
    haproxy = haproxy_of_debian_11() if release == "Debian 11's" else HAPROXY
    with world(tmp_path, haproxy=haproxy) as lab, Clients(tmp_path, 12) as clients:
        wait_until(lambda: len(clients.answers) > 50)
        lab.take_over()
        frozen, held = [], list[float]()
        for state in ("target", "source") * 4:
            time.sleep(0.3)
            before = time.time()
            lab.tool("set", "site", "hold")
            if state == "target":
                assert lab.tool("drain", "site", "60")["seconds"] < 30
            else:
                wait_until(lambda: lab.tool("status")["sites"]["site"]["under_way"]["target"] == 0)
            begun = time.time()
            time.sleep(0.5)
            frozen.append((begun, time.time(), state))
            lab.tool("set", "site", state)
            held.append(time.time() - before)
        time.sleep(0.3)
        last = lab.tool("status")["sites"]["site"]
        # And away again: no new connections, everybody gone, a stop, and only then the table of the older ones.
        lab.inside("nft", "-f", str(tmp_path / "gate" / "pass.nft"))
        assert lab.tool("leave", "120") == {"connections_left": 0}
        lab.processes[-1].send_signal(signal.SIGUSR1)
        lab.processes[-1].wait(120)
        lab.inside("nft", "delete", "table", "inet", "dcshift_gate")
        time.sleep(0.3)
    assert clients.errors == []
    assert {status for _, status, *_ in clients.answers} == {200}
    served = lab.served("source") + lab.served("target")
    assert sorted(identity for identity, *_ in served) == sorted(identity for identity, *_ in clients.answers)
    for begun, ended, _ in frozen:
        assert not [one for one in served if begun < one[2] and one[1] < ended], "served inside a freeze"
    for (_, begun, side), (ended, *_) in zip(frozen, [*frozen[1:], (served[-1][2], 0, "")], strict=True):
        other = lab.served("source" if side == "target" else "target")
        assert not [one for one in other if begun < one[1] < min(ended, begun + 0.25)], f"not {side}"
    assert last["waiting"] == 0
    assert 0.5 < last["longest_wait_seconds"] < max(held) + 20
    print(f"{len(served)} requests, {len(frozen)} switches, longest {max(a[4] - a[3] for a in clients.answers):.2f} s")


def test_a_hold_beyond_its_bound_is_answered_503_and_never_by_the_old_side(tmp_path: Path) -> None:
    with world(tmp_path, hold_seconds=2) as lab:
        lab.take_over()
        lab.tool("set", "site", "hold")
        connection = Clients(tmp_path, 0).connect()
        begun = time.monotonic()
        connection.request("POST", "/", body=b"x", headers={"X-Id": "held"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert 2 <= time.monotonic() - begun < 25, "not its own bound, but the usual one"
        assert not (tmp_path / "source.log").read_text()
        assert lab.tool("status")["sites"]["site"]["requests_since_switch"] == {"source": 0, "target": 0, "refused": 1}


@pytest.mark.parametrize("release", ["this machine's", "Debian 11's"])
def test_a_name_with_a_dot_or_a_port_is_the_same_site(tmp_path: Path, release: str) -> None:
    haproxy = haproxy_of_debian_11() if release == "Debian 11's" else HAPROXY
    with world(tmp_path, haproxy=haproxy) as lab:
        lab.take_over()
        lab.tool("set", "site", "target")
        for name in (HOST, HOST.upper(), f"{HOST}:443", f"{HOST}.", f"{HOST}.:443"):
            connection = Clients(tmp_path, 0).connect()
            connection.request("POST", "/", body=b"x", headers={"X-Id": name, "Host": name})
            assert '"side": "target"' in connection.getresponse().read().decode(), name


@pytest.mark.parametrize("release", ["this machine's", "Debian 11's"])
def test_the_target_learns_a_citizens_address_whatever_he_calls_himself(tmp_path: Path, release: str) -> None:
    haproxy = haproxy_of_debian_11() if release == "Debian 11's" else HAPROXY
    with world(tmp_path, haproxy=haproxy) as lab:
        lab.take_over()
        lab.tool("set", "site", "target")
        for forged in ({}, {"X-Real-Ip": "203.0.113.9"}, {"x-real-ip": "203.0.113.9", "Connection": "X-Real-Ip"}):
            connection = Clients(tmp_path, 0).connect()
            connection.request("POST", "/", body=b"x", headers={"X-Id": "forged", **forged})
            assert json.loads(connection.getresponse().read())["client"] == [OUTSIDE]


def test_an_upload_that_arrives_during_the_hold_reaches_the_new_side_whole(tmp_path: Path) -> None:
    with world(tmp_path) as lab:
        lab.take_over()
        lab.tool("set", "site", "hold")
        answers: list[tuple[int, str]] = []
        connection = Clients(tmp_path, 0).connect()
        upload = threading.Thread(target=lambda: answers.append(post(connection, "big", 8_000_000)))
        upload.start()
        wait_until(lambda: lab.tool("status")["sites"]["site"]["waiting"] == 1)
        time.sleep(1)
        lab.tool("set", "site", "target")
        upload.join(120)
        assert answers == [(200, "target")]


def test_a_gate_that_dies_keeps_its_decision_and_nobody_reaches_the_old_side(tmp_path: Path) -> None:
    with world(tmp_path) as lab:
        lab.take_over()
        lab.tool("set", "site", "target")
        lab.processes[-1].kill()
        lab.processes[-1].wait()
        with pytest.raises(OSError):
            post(Clients(tmp_path, 0).connect(), "while-dead")
        lab.start()
        assert post(Clients(tmp_path, 0).connect(), "after") == (200, "target")
        assert not (tmp_path / "source.log").read_text()


def test_draining_names_what_is_still_under_way_and_a_lower_turn_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as lab:
        lab.take_over()
        slow = Clients(tmp_path, 0).connect()
        slow.putrequest("POST", "/")
        slow.putheader("Content-Length", "1000")
        slow.endheaders(b"only a part")
        wait_until(lambda: lab.tool("status")["sites"]["site"]["under_way"]["source"] == 1)
        lab.tool("set", "site", "hold")
        with pytest.raises(subprocess.CalledProcessError) as refused:
            lab.tool("drain", "site", "0.5")
        assert "1 requests of site are still under way at the source" in refused.value.stderr
        system = f"gate-test-{os.getpid()}"
        try:
            lab.tool("--turn", f"{system}:7", "set", "site", "source")
            with pytest.raises(subprocess.CalledProcessError) as stale:
                lab.tool("--turn", f"{system}:6", "set", "site", "target")
        finally:
            Path(f"/var/lib/dcshift/turn/{system}").unlink(missing_ok=True)
        assert "turn 6" in stale.value.stderr
        assert lab.tool("status")["sites"]["site"]["state"] == "source"
