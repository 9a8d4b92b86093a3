"""Who holds what alone: leases with fencing tokens that only grow; no I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """One process of one boot of one machine."""

    machine: str
    boot: str
    pid: int
    began: str
    """The process's start time as the kernel counts it: a pid alone may be used again."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.machine}"


@dataclass(frozen=True, slots=True)
class Lease:
    """Resources held together, taken and given back all at once."""

    resources: tuple[str, ...]
    holder: Holder
    token: int


@dataclass(frozen=True, slots=True)
class Busy:
    """What is held by another, by whom, and until when at the latest."""

    resource: str
    holder: Holder
    expires_at: float
