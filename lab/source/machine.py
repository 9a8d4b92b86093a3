"""Start, stop and kill one source host; it knows hosts as processes and mounts, not what runs inside them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab import addresses
from lab.apps.systems import SYSTEMS
from lab.command import run
from lab.errors import LabError
from lab.paths import RUN, STATE
from lab.source.overlay import mount

_CGROUPS: Final = Path("/sys/fs/cgroup")
_SUPERVISOR: Final = Path(__file__).with_name("supervise.sh")


def folder(host: str) -> Path:
    """Return a host's state: `upper` (what it changed), `root` (what it sees), `console.log`."""
    return STATE / "source" / host


def uploads(system: str) -> Path:
    """Return the folder that files1 and app1 share for a system's uploads."""
    return STATE / "source" / "uploads" / system


def prepare(host: str, lowers: Sequence[Path]) -> Path:
    """Mount a host's root over its layers and return it, ready to be configured."""
    return mount(lowers, folder(host))


def start(host: str) -> None:
    """Boot a prepared host; returns at once, the host answers a second or two later."""
    if processes(host):
        return
    RUN.mkdir(parents=True, exist_ok=True)
    words = ["--quiet", "--boot", "--register=no", "--keep-unit", f"--machine={host}"]
    words += [f"--directory={folder(host) / 'root'}", f"--network-bridge={addresses.SOURCE_BRIDGE}"]
    words += ["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"]
    words += ["--kill-signal=SIGRTMIN+3"]
    if host in ("app1", "files1"):
        words += [f"--bind={uploads(system.name)}:{system.uploads}" for system in SYSTEMS]
    supervisor = ["sh", str(_SUPERVISOR), host, str(_pid_file(host)), addresses.SOURCE_NAMESPACE, *words]
    # The outer shell lets go of our pipes before it becomes the supervisor: else this call would wait for ever.
    detached = 'log=$1; shift; exec setsid --fork "$@" > "$log" 2>&1 < /dev/null'
    run(["sh", "-c", detached, "sh", folder(host) / "console.log", *supervisor])


def stop(host: str, *, patience_seconds: float = 30.0) -> None:
    """Shut a host down in order; kill what has not ended in time, and what a killed run left behind."""
    supervisor = _supervisor(host)
    if supervisor:
        _signal(supervisor, signal.SIGTERM)
        _wait_until_gone(host, patience_seconds)
    elif init := _init(host):
        os.kill(init, signal.SIGRTMIN + 3)
        _wait_until_gone(host, patience_seconds)
    _kill_rest(host)
    _pid_file(host).unlink(missing_ok=True)
    # The propagation folder is nspawn's; with no systemd on the machine nobody else would remove it.
    for path in (*reversed(_cgroups(host)), Path("/run/systemd/nspawn/propagate", host)):
        with contextlib.suppress(OSError):
            path.rmdir()


def crash(host: str) -> None:
    """Take a host's power away: everything in it dies at once, as in a failure. `start` boots it again."""
    _kill_rest(host)
    _pid_file(host).unlink(missing_ok=True)


def processes(host: str) -> list[int]:
    """Return every process of a host, its supervisor included, as its cgroups know them."""
    found: set[int] = set()
    for folder_path in _cgroups(host):
        with contextlib.suppress(OSError):  # a cgroup may go while it is read
            found.update(int(line) for line in (folder_path / "cgroup.procs").read_text().split())
    return sorted(found)


def _kill_rest(host: str) -> None:
    supervisor = _supervisor(host)
    deadline = time.monotonic() + 10
    while left := processes(host):
        # The supervisor first, so that it starts nothing anew; killing init ends all of its namespace.
        for pid in [*([supervisor] if supervisor else []), *left]:
            _signal(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(
                "host-does-not-stop",
                what=f"source host {host} could not be stopped",
                why=f"processes {left[:8]} are still there after SIGKILL",
                state="its files and mounts were left as they are",
                next="look at these processes (ps -o pid,stat,wchan,args), then dcshift lab down again",
            )
        time.sleep(0.05)


def _wait_until_gone(host: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while processes(host) and time.monotonic() < deadline:
        time.sleep(0.05)


def _supervisor(host: str) -> int | None:
    """Return the supervisor's pid, only if the pid file's number still is a process of this host."""
    try:
        pid = int(_pid_file(host).read_text())
    except (OSError, ValueError):
        return None
    return pid if pid in processes(host) else None


def _init(host: str) -> int | None:
    """Return the pid, as the machine sees it, of the host's own pid 1."""
    for pid in processes(host):
        with contextlib.suppress(OSError):
            numbers = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("NSpid:"))
            if numbers.split()[1:][-1] == "1" and len(numbers.split()) > 2:
                return pid
    return None


def _cgroups(host: str) -> list[Path]:
    """Return a host's cgroups, parents first; os.walk, because they come and go while a host starts or stops."""
    roots = (_CGROUPS / "systemd", _CGROUPS / "unified", _CGROUPS)
    return [Path(found) for root in roots for found, _, _ in os.walk(root / f"dcshift-{host}")]


def _pid_file(host: str) -> Path:
    return RUN / f"source-{host}.pid"


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
