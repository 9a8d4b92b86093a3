"""The source on real hosts: it serves, survives reboots, crashes and killed commands, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import addresses, network
from lab.apps.systems import SYSTEMS, AppSystem
from lab.apps.systems import SYSTEMS as LAB_SYSTEMS
from lab.command import Completed, run
from lab.paths import CHECKOUT, STATE
from lab.source import centre, configure, machine

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and mounts need root"),
]


def on(host: str, command: str, *, check: bool = True) -> Completed:
    return run([*configure.ssh(host), command], timeout_seconds=240, check=check)


def eventually(condition: Callable[[], bool], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.2)


def answers(host: str, command: str) -> bool:
    return on(host, command, check=False).returncode == 0


def test_all_four_hosts_answer_ansible_as_an_ordinary_user(standing_source: None) -> None:
    ansible = Path(sys.executable).with_name("ansible")
    said = run([ansible, "-i", STATE / "inventory.yml", "source", "-m", "ping"], cwd=CHECKOUT).stdout
    assert said.count('"ping": "pong"') == 4
    for host in addresses.SOURCE_HOSTS:
        assert on(host, "id -un; sudo id -un").stdout.split() == [addresses.OPERATOR, "root"]
        assert on(host, "cut -d. -f1 /etc/debian_version").stdout.strip() == "11"
        assert on(host, "systemctl is-system-running").stdout.strip() == "running"


def test_an_unknown_host_key_is_refused(standing_source: None, tmp_path: Path) -> None:
    words = [word.replace(str(STATE / "ssh" / "known_hosts"), str(tmp_path / "none")) for word in configure.ssh("db1")]
    assert run([*words, "true"], check=False).returncode == 255


def test_each_system_serves_through_the_edge_by_its_public_name(standing_source: None) -> None:
    for system in SYSTEMS:
        assert centre.serves(system.name)
        assert on("edge1", f"dig +short {addresses.SITES[system.name]}").stdout.strip() == "198.51.100.14"
        assert answers("app1", f"sudo -u {system.name} crontab -l | grep -q {system.name}-manage")


@pytest.mark.parametrize("system", LAB_SYSTEMS, ids=lambda system: system.name)
def test_the_databases_hold_the_figures_that_the_province_published(standing_source: None, system: AppSystem) -> None:
    for count in system.counts:
        psql = shlex.join(["sudo", "-u", "postgres", "psql", "-qXAt", "-d", system.name, "-c", count.query])
        assert int(on("db1", psql).stdout) == count.expected["tenth"], count.name


def test_both_hosts_see_the_same_uploads(standing_source: None) -> None:
    for system in SYSTEMS:
        count = f"sudo find {system.uploads} -type f | wc -l"
        assert on("files1", count).stdout == on("app1", count).stdout != "0\n"
        on("files1", f"sudo -u {system.name} touch {system.uploads}/of-files1")
        assert answers("app1", f"sudo -u {system.name} rm {system.uploads}/of-files1")


def test_no_host_reaches_the_outside_and_all_reach_the_job_host(standing_source: None) -> None:
    gateway = run(["ip", "-4", "route", "show", "default"]).stdout.split()[2]
    for host in addresses.SOURCE_HOSTS:
        for outside in (gateway, "203.0.113.7"):
            assert not answers(host, f"ping -c 1 -W 1 {outside}"), f"{host} reaches {outside}"
        assert answers(host, f"ping -c 1 -W 2 {addresses.UPLINK_ROOT}")


def test_a_reboot_inside_comes_back_with_what_was_written(standing_source: None) -> None:
    boot = on("files1", "sudo touch /var/kept; ps -o lstart= -p 1").stdout
    on("files1", "sudo systemctl reboot", check=False)
    eventually(lambda: on("files1", "ps -o lstart= -p 1", check=False).stdout not in ("", boot))
    assert answers("files1", "test -e /var/kept")
    assert answers("files1", f"test -d {SYSTEMS[0].uploads}")


def test_a_database_host_without_power_recovers_what_was_committed(standing_source: None) -> None:
    psql = "sudo -u postgres psql -qXAt portal -c"
    on("db1", f"{psql} 'CREATE TABLE power_cut AS SELECT 1 AS committed'")
    machine.crash("db1")
    assert machine.processes("db1") == []
    assert not centre.serves("portal")
    machine.start("db1")
    eventually(lambda: answers("db1", f"{psql} 'SELECT committed FROM power_cut'"))
    eventually(lambda: centre.serves("portal"))
    on("db1", f"{psql} 'DROP TABLE power_cut'")


def test_a_killed_up_is_mended_by_the_next_one_and_down_leaves_nothing() -> None:
    centre.down()
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    command = [sys.executable, "-m", "lab.source", "up", "--scale", "tenth"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as begun:
        time.sleep(random.Random(seed).uniform(0.5, 5.0))
        begun.send_signal(signal.SIGKILL)
    centre.up(print, scale="tenth", wal_level="replica")
    assert on("db1", "sudo -u postgres psql -qXAtc 'SHOW wal_level'").stdout.strip() == "replica"
    assert all(host.answers for host in centre.status())
    centre.down()
    assert not (STATE / "source").exists()
    assert not [name for name in network.leftovers() if "source" in name or name == addresses.UPLINK_ROOT_DEVICE]
    assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/lab/source/" in line]
    assert not list(Path("/sys/fs/cgroup").glob("*/dcshift-*1"))
