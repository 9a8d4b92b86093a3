"""Keeps users from writing at a server, and sees who wrote there against it."""

from __future__ import annotations

import time
from typing import Final

from migration.errors import StepFailed
from migration.movers.mariadb import claim, link
from migration.movers.mariadb.link import Connection

_GONE_SECONDS_MAX: Final = 10.0
_LOCK_SECONDS: Final = 5
# What reads our log, applies another's, or belongs to the server itself is nobody's session.
_OTHERS: Final = """
SELECT ID FROM information_schema.PROCESSLIST
WHERE ID <> CONNECTION_ID() AND USER NOT IN ('system user', 'event_scheduler')
    AND COMMAND NOT IN ('Binlog Dump', 'Daemon', 'Killed')
"""


def close(server: Connection) -> int:
    """Let nobody write any more and end the sessions of users; return how many were ended.

    A transaction that is open is rolled back with its session: nobody was told that it was committed.
    """
    ended = _end(server)
    shut(server)
    ended |= _end(server)
    return len(ended)


def shut(server: Connection) -> None:
    """Let nobody write any more; who is there may stay and read."""
    # Waiting for the lock holds up every write: rather give up soon.
    link.run(server, f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}", "SET GLOBAL read_only = ON")
    if not link.one(server, "SELECT @@GLOBAL.read_only"):
        raise _failed("the server took the order and is not read-only")


def open_up(server: Connection) -> None:
    """Let users write."""
    link.run(server, "SET GLOBAL read_only = OFF")
    if link.one(server, "SELECT @@GLOBAL.read_only"):
        raise _failed("the server took the order and is still read-only")


def _end(server: Connection) -> set[int]:
    """End the sessions that there are now, and wait until they are gone; who comes after may only read."""
    there = {int(session) for (session,) in link.rows(server, _OTHERS)}
    for session in there:
        claim.kill(server, session)
    deadline = time.monotonic() + _GONE_SECONDS_MAX
    while there & {int(session) for (session,) in link.rows(server, _OTHERS)}:
        if time.monotonic() > deadline:
            raise _failed(f"sessions of users did not end within {_GONE_SECONDS_MAX:.0f} s")
        time.sleep(0.05)
    return there


def _failed(why: str) -> StepFailed:
    return StepFailed(
        "mariadb-fence-failed",
        what="users could not be kept from writing, or not be let in again",
        why=why,
        state="the side that served before serves",
        next="look at the server's processes (SHOW PROCESSLIST), then the same command again",
    )
