"""The source data centre as a whole: prepare, up, down, status; it reports what it re-read, not what it asked for."""

from __future__ import annotations

import functools
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab import addresses, ca, network
from lab.apps.systems import SYSTEMS
from lab.command import run
from lab.errors import LabError
from lab.paths import RUN, STATE
from lab.rootfs import COPY, remove_tree
from lab.source import application, configure, database, edge, hosts, machine
from lab.source.during import Progress, during
from lab.source.environments import venv_layer
from lab.source.filled import Filled, filled

_BOOT_SECONDS_MAX: Final = 300.0
_COPY_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True, slots=True)
class HostStatus:
    """What is true of one host now: processes that run, and whether its sshd answers."""

    host: str
    address: str
    processes: int
    answers: bool


def prepare(progress: Progress, *, scale: str = "full") -> Filled:
    """Build what the cache lacks, so that `up` is quick: bases, packages, environments, data. Starts nothing."""
    with during(progress, "Debian 11 base of the hosts"):
        hosts.common()
    for system in SYSTEMS:
        with during(progress, f"environment of {system.name} {system.release}"):
            venv_layer(system.name, system.release, hosts.SUITE)
    for host in addresses.SOURCE_HOSTS:
        with during(progress, f"packages of {host}"):
            hosts.lowers(host)
    with during(progress, f"filling the systems with their data ({scale})"):
        return filled(scale)


def up(progress: Progress, *, scale: str = "full", wal_level: str = "logical") -> None:
    """Bring the four hosts up with `scale` of the data (`full` or `tenth`); what stood before is taken down first."""
    if _remains():
        with during(progress, "taking down what is left of an earlier source"):
            down()
    data = prepare(progress, scale=scale)
    layers = {host: _layers(host) for host in addresses.SOURCE_HOSTS}
    with during(progress, "making the hosts: roots, data, keys, wires"):
        network.up_source()
        configure.operator_key()  # made before the hosts are made side by side: all of them need it
        ca.SITES.ensure()
        _uploads(data)
        with ThreadPoolExecutor(len(layers)) as pool:
            tasks = {host: pool.submit(_make, host, layers[host], data, wal_level) for host in layers}
            keys = {host: task.result() for host, task in tasks.items()}
        configure.known_hosts(keys)
        configure.inventory()
    with during(progress, "booting db1 app1 files1 edge1"):
        for host in layers:
            machine.start(host)
        _wait_for_services()


def down() -> None:
    """Stop the hosts in order and remove everything of them: processes, cgroups, mounts, wires, files."""
    with ThreadPoolExecutor(len(addresses.SOURCE_HOSTS)) as pool:
        # Less patience than a real shutdown has: what these hosts would still finish is deleted a moment later.
        stop = functools.partial(machine.stop, patience_seconds=12.0)
        for task in [pool.submit(stop, host) for host in addresses.SOURCE_HOSTS]:
            task.result()
    _unmount()
    remove_tree(STATE / "source")
    remove_tree(STATE / "ssh")
    (STATE / "inventory.yml").unlink(missing_ok=True)
    network.down_source()
    if left := _remains():
        raise LabError(
            "source-left-behind",
            what="the source is not quite gone",
            why=f"left: {', '.join(left)}",
            state="all hosts are stopped",
            next="remove these by hand, then dcshift lab down again",
        )


def status() -> list[HostStatus]:
    """Look at each host now; one that does not run is not asked: elsewhere its address may be somebody's."""
    running = {host: len(machine.processes(host)) for host in addresses.SOURCE_HOSTS}
    return [
        HostStatus(host, address, running[host], running[host] > 0 and _accepts(address, 22))
        for host, address in addresses.SOURCE_HOSTS.items()
    ]


def _layers(host: str) -> tuple[Path, ...]:
    environments: Sequence[Path] = ()
    if host == "app1":
        environments = [venv_layer(system.name, system.release, hosts.SUITE) for system in SYSTEMS]
    return (*environments, *hosts.lowers(host))


def _uploads(data: Filled) -> None:
    for system in SYSTEMS:
        folder = machine.uploads(system.name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        run([*COPY, data.uploads / system.name, folder], timeout_seconds=300)


def _make(host: str, layers: tuple[Path, ...], data: Filled, wal_level: str) -> str:
    """Mount and configure one host; return its public SSH key."""
    root = machine.prepare(host, layers)
    if host == "db1":
        # A copy, not one more layer: the first write to a table of a layer would first copy all of it, during traffic.
        run([*COPY, f"{data.root}/.", root], timeout_seconds=600)
        database.configure(root, wal_level=wal_level)
    elif host == "app1":
        for system in SYSTEMS:
            secrets = data.secrets[system.name]
            application.install_system(root, system, secrets, database_host=addresses.SOURCE_HOSTS["db1"])
    elif host == "edge1":
        edge.configure(root)
    return configure.identity(host, root)


def _wait_for_services() -> None:
    """Wait until every host answers as its users need it: SSH with the right key, and each site through the edge."""
    deadline = time.monotonic() + _BOOT_SECONDS_MAX
    checks: dict[str, Callable[[], bool]] = {
        f"{host}:{port}": functools.partial(_accepts, addresses.SOURCE_HOSTS[host], port)
        for host, port in [*((host, 22) for host in addresses.SOURCE_HOSTS), ("db1", 5432), ("edge1", 53)]
    }
    checks |= {f"edge1 {s.name}": functools.partial(serves, s.name) for s in SYSTEMS}
    while checks := {name: check for name, check in checks.items() if not check()}:
        if time.monotonic() > deadline:
            raise _late(sorted(checks))
        time.sleep(0.1)
    for host in addresses.SOURCE_HOSTS:
        run([*configure.ssh(host), "true"], timeout_seconds=30)


def serves(system: str) -> bool:
    """Tell whether a system answers that it is ready, over TLS, by its public name, at the edge."""
    name = addresses.SITES[system]
    trust = ssl.create_default_context(cafile=str(ca.SITES.ensure()))
    request = f"GET /readyz HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    try:
        with (
            socket.create_connection((addresses.SOURCE_HOSTS["edge1"], 443), timeout=5) as plain,
            trust.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(request.encode())
            return secure.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def _late(waiting: list[str]) -> LabError:
    host = waiting[0].replace(":", " ").split()[0]
    tail = (machine.folder(host) / "console.log").read_text(errors="replace")[-600:]
    return LabError(
        "source-does-not-answer",
        what=f"{', '.join(waiting)} did not answer within {_BOOT_SECONDS_MAX:.0f} s",
        why=f"the end of the console of {host}:\n{tail}",
        state="the hosts were left running, to be looked at",
        next=f"less {machine.folder(host) / 'console.log'}   then dcshift lab down",
    )


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=0.5):
            return True
    except OSError:
        return False


def _unmount() -> None:
    """Unmount every host root, also of another checkout whose lab was left behind; only mounts that carry our name."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        point = Path(fields.split()[4])
        if source.split()[:2] == ["overlay", "dcshift"] and point.parent.name in addresses.SOURCE_HOSTS:
            # A killed `up` may have left a copy running into the root; it ends by itself, within the copy's time.
            deadline = time.monotonic() + _COPY_SECONDS_MAX
            while run(["umount", point], check=time.monotonic() > deadline).returncode != 0:
                time.sleep(0.2)


def _remains() -> list[str]:
    found = [f"processes of {host}" for host in addresses.SOURCE_HOSTS if machine.processes(host)]
    found += [name for name in network.leftovers() if addresses.SOURCE_NAMESPACE in name]
    found += [str(path) for path in (STATE / "source",) if path.exists()]
    return found + [str(path) for path in RUN.glob("source-*.pid")]
