"""Whether a stack's locks were left by engines that are gone, and what then; sure only of engines on this machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Final

import psutil

from infra.errors import InfraError

_HELD: Final = re.compile(r"the stack is currently locked by (\d+) lock")
_LOCK: Final = re.compile(r": created by \S+@(?P<host>\S+) \(pid (?P<pid>\d+)\) at ")


def left_behind(said: str, host: str, alive: Callable[[int], bool]) -> bool:
    """Return whether an engine's refusal names locks, all of this machine, and no process of theirs lives any more.

    A process number may have been given away again: then the lock counts as held, and a person decides.
    """
    held, found = _HELD.search(said), list(_LOCK.finditer(said))
    if held is None or len(found) != int(held[1]):
        return False
    return all(lock["host"] == host and not alive(int(lock["pid"])) for lock in found)


def past_a_left_lock(work: Callable[[], str], cancel: Callable[[], object], told: Callable[[], None]) -> str:
    """Do what an engine does; where only a lock stands against it whose engine is gone, take that away and try again.

    Raises `InfraError`.
    """
    try:
        return work()
    except InfraError as refused:
        if not left_behind(refused.why, socket.gethostname(), psutil.pid_exists):
            raise
    cancel()
    told()
    return work()
