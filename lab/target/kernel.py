"""Take away what the cluster's programs leave in the kernel: processes, mounts, interfaces, cgroups, fixed folders.

Every function finds its own things by names and folders that only the lab uses, does nothing when there are none, and
so works after a killed run too.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from lab.command import run
from lab.paths import RUN
from lab.rootfs import remove_tree
from lab.target.layout import CGROUP, CONTAINERD_SOCKET, CONTAINERD_STATE, POD_BRIDGE, POD_LOGS
from lab.target.node import hierarchies

_FOREIGN: Final = (
    "/var/lib/kubelet/device-plugins", "/var/lib/kubelet", "/var/lib/cni/results", "/var/lib/cni",
    "/run/containerd/s", "/run/containerd/runc/k8s.io", "/run/containerd/runc", "/run/containerd",
    "/var/log/containers",
)  # fmt: skip
"""Fixed folders of programs that do not let us choose, inner ones first; removed when nothing is in them any more."""


def end_containers() -> None:
    """Kill what still runs in the pods' cgroups, then the shims that served our containerd socket; by pid."""
    for find in (_pids_of_pods, _shims):
        for pid in find():
            _kill(pid, signal.SIGKILL)
        _until(partial(_none, find), 5.0)


def unmount() -> None:
    """Unmount everything below the lab's run folder: pods' volumes, containers' roots, network namespaces."""
    for _ in range(3):  # a mount on top of a mount shows only after the upper one is gone
        points = [point for point in _mount_points() if Path(point).is_relative_to(RUN) and _is_targets(point)]
        if not points:
            return
        run(["umount", "--lazy", *sorted(points, key=len, reverse=True)], check=False)


def remove_interfaces() -> None:
    """Remove the pods' bridge and every wire that hangs on it."""
    links: list[dict[str, Any]] = json.loads(run(["ip", "-json", "link", "show"]).stdout or "[]")
    wires = [link["ifname"] for link in links if link.get("master") == POD_BRIDGE]
    bridge = [POD_BRIDGE] if any(link["ifname"] == POD_BRIDGE for link in links) else []
    for name in (*wires, *bridge):
        run(["ip", "link", "delete", name], check=False)


def remove_cgroups() -> None:
    """Remove the pods' cgroups in every hierarchy, innermost first."""
    for hierarchy in hierarchies():
        top = hierarchy / CGROUP
        folders = [Path(folder) for folder, _, _ in os.walk(top)] if top.is_dir() else []
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            _until(partial(_rmdir, folder), 2.0)


def remove_foreign_folders() -> None:
    """Remove the fixed folders that our programs made outside the checkout, unless they hold something of others."""
    for state in Path("/run/containerd/runc/k8s.io").glob("*/state.json"):  # a killed run leaves the runtime's notes
        if str(CONTAINERD_STATE) in _read(state):
            remove_tree(state.parent)
    served = _read(Path("/proc/net/unix"))
    for socket in Path("/run/containerd/s").glob("*"):
        if str(socket) not in served:
            socket.unlink(missing_ok=True)
    for result in Path("/var/lib/cni/results").glob("*"):
        if str(CONTAINERD_STATE) in _read(result):
            result.unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*.log"):
        if str(POD_LOGS) in str(link.readlink()):
            link.unlink(missing_ok=True)
    for path in (Path(name) for name in _FOREIGN):
        for socket in (path / "kubelet.sock", path / "DEPRECATION"):
            socket.unlink(missing_ok=True)
        _rmdir(path)


def leftovers() -> list[str]:
    """Name everything of the target that is still in the kernel; empty after a clean `down`."""
    found = [f"process {pid}" for pid in sorted({*_pids_of_pods(), *_shims()})]
    found += [f"mount {point}" for point in _mount_points() if Path(point).is_relative_to(RUN) and _is_targets(point)]
    found += [f"cgroup {hierarchy / CGROUP}" for hierarchy in hierarchies() if (hierarchy / CGROUP).exists()]
    if run(["ip", "link", "show", "dev", POD_BRIDGE], check=False).returncode == 0:
        found.append(f"interface {POD_BRIDGE}")
    return found


def _is_targets(point: str) -> bool:
    return Path(point).relative_to(RUN).parts[:1] in (("kubelet",), ("containerd",), ("target",))


def _pids_of_pods() -> set[int]:
    found: set[int] = set()
    for hierarchy in hierarchies():
        for file in (hierarchy / CGROUP).rglob("cgroup.procs"):
            found.update(int(word) for word in _read(file).split())
    return found


def _shims() -> set[int]:
    """Return the pids of the shims of our containerd: they name its socket on their command line."""
    socket = str(CONTAINERD_SOCKET).encode()
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"containerd-shim-runc-v2") and socket in words:
            found.add(int(folder.name))
    return found


def _mount_points() -> Iterable[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _until(check: Callable[[], bool], limit_seconds: float) -> bool:
    end = time.monotonic() + limit_seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _none(find: Callable[[], set[int]]) -> bool:
    return not find()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
