"""Says what this machine lacks, and the command that mends it; it changes nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.command import run
from lab.errors import LabError
from lab.paths import CHECKOUT, cache
from lab.toolchain import mariadb_servers, postgres_servers
from lab.toolchain.build import missing
from lab.toolchain.plugin import OFFICIAL, ask_again, plugin_in_use, refusal
from lab.toolchain.tools import TOOLS

_SETUP: Final = "make setup"
_DISK_FREE_BYTES_MIN: Final = 10 * 2**30
_DISK_FREE_BYTES_FIRST: Final = 30 * 2**30
"""Before anything is built: docs/setup.md says what takes how much."""
_MEMORY_BYTES_MIN: Final = 7 * 2**30
"""A machine of 8 GiB shows less: its kernel and firmware keep a part."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at: whether it is right, what was seen, the command that mends it."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def diagnose() -> list[Checked]:
    """Look at everything that set-up and the lab need; a thing that cannot be looked at is not right."""
    return [_packages(), *_tools(), _plugin(), *_servers(), _root(), *_kernel(), _disk(), _memory()]


def _packages() -> Checked:
    lines = (CHECKOUT / "tools" / "debian-packages.txt").read_text().splitlines()
    wanted = [name for line in lines if (name := line.partition("#")[0].strip())]
    if not shutil.which("dpkg-query"):
        return Checked("Debian packages", False, "this is not a Debian system", "use Debian 12")
    said = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", *wanted], check=False).stdout
    here = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    lacking = sorted(set(wanted) - here)
    return Checked(
        "Debian packages",
        not lacking,
        f"missing: {', '.join(lacking)}" if lacking else f"{len(wanted)} installed",
        f"apt-get install {' '.join(lacking)}" if lacking else "",
    )


def _tools() -> list[Checked]:
    lacking = {tool.name: tool for tool in missing()}
    return [
        Checked(
            f"{tool.name} {tool.version}",
            tool.name not in lacking,
            f"not built, about {tool.build_seconds} s" if tool.name in lacking else "ready",
            _SETUP if tool.name in lacking else "",
        )
        for tool in TOOLS
    ]


def _plugin() -> Checked:
    try:
        used = plugin_in_use()
    except LabError as error:
        return Checked("Pulumi Kubernetes plugin", False, error.why, _SETUP)
    if used == OFFICIAL:
        return Checked("Pulumi Kubernetes plugin", True, used)
    known = refusal()
    why = f"the official one was not to be had: {known[0]}, kept in {known[1]}" if known else "nobody asked for another"
    said = f"{used} (our own, over server-side apply; docs/decisions/0002); {why}; to ask again: {ask_again()}"
    return Checked("Pulumi Kubernetes plugin", True, said)


def _servers() -> list[Checked]:
    there, versions = postgres_servers.installed(), ", ".join(postgres_servers.versions().values())
    said = f"{versions}, for the mover's tests: {'ready' if there else 'not fetched, about 20 s'}"
    older = mariadb_servers.installed()
    beside = f"{mariadb_servers.VERSION}, for the mover's tests: {'ready' if older else 'not fetched, about 5 s'}"
    return [
        Checked("PostgreSQL servers", there, said, "" if there else _SETUP),
        Checked("MariaDB server", older, beside, "" if older else _SETUP),
    ]


def _root() -> Checked:
    return Checked(
        "root",
        os.geteuid() == 0,
        "yes"
        if os.geteuid() == 0
        else "no: the lab makes namespaces, mounts and hosts; the migration itself needs none",
        "" if os.geteuid() == 0 else "run the lab as root",
    )


def _kernel() -> list[Checked]:
    filesystems = Path("/proc/filesystems").read_text()
    cgroups = Path("/sys/fs/cgroup")
    hybrid = (cgroups / "unified").is_dir() or (cgroups / "cgroup.controllers").exists()
    return [
        Checked("overlayfs", "overlay" in filesystems, "source hosts are layers", "modprobe overlay"),
        Checked("cgroups", hybrid, "each host has its own", "mount cgroup2"),
        _try("nftables", ["nft", "list", "tables"], "the gate and kube-proxy redirect packets"),
        _try("network namespaces", ["ip", "netns", "list"], "the source has one of its own"),
    ]


def _try(name: str, argv: list[str], why: str) -> Checked:
    try:
        tried = run(argv, timeout_seconds=10, check=False)
    except LabError as error:
        return Checked(name, False, error.why, _SETUP)
    return Checked(name, tried.returncode == 0, tried.stderr.strip() or why, "" if tried.returncode == 0 else _SETUP)


def _disk() -> Checked:
    free = shutil.disk_usage(cache()).free
    wanted = _DISK_FREE_BYTES_FIRST if missing() else _DISK_FREE_BYTES_MIN
    said = f"{free / 2**30:.0f} GiB free in {cache()}, {wanted / 2**30:.0f} GiB wanted"
    return Checked("disk", free >= wanted, said, "free some space, or let DCSHIFT_CACHE name a larger disk")


def _memory() -> Checked:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Checked(
        "memory",
        total >= _MEMORY_BYTES_MIN,
        f"{total / 2**30:.1f} GiB, {_MEMORY_BYTES_MIN / 2**30:.0f} GiB wanted",
        "use a larger machine",
    )
