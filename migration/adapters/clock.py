"""The machine's clock, and which process of which boot we are; it knows nothing else of the outside."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from migration.model.lease import Holder


class SystemClock:
    """Port `Clock`."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def this_process() -> Holder:
    """Return who we are, so that another process can later tell whether we still live."""
    pid = os.getpid()
    return Holder(socket.gethostname(), boot(), pid, began(pid) or "")


def is_alive(holder: Holder) -> bool:
    """Say whether a holder still runs; True when it cannot be known, because it is on another machine.

    On this machine a killed orchestrator is known to be dead at once, so its run resumes without waiting for a lease to
    expire. After a reboot every earlier holder is dead.
    """
    if holder.machine != socket.gethostname():
        return True
    return holder.boot == boot() and began(holder.pid) == holder.began


def boot() -> str:
    """Return which boot of this machine it is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def began(pid: int) -> str | None:
    """Return when a process of this machine began, in ticks since its boot; None when there is none or only its zombie.

    No time of day: that is set right while we run, and every process would then be another one.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces; fields are counted after it. Field 3 is the state, field 22 the start.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
