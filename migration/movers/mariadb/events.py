"""Events run on the side that serves, and nowhere else.

An event that is armed elsewhere carries the server's own mark for that, `DISABLE ON SLAVE`; one that people disabled
stays disabled on both sides.
"""

from __future__ import annotations

import time
from typing import Final

from migration.errors import StepFailed
from migration.movers.mariadb import link
from migration.movers.mariadb.link import Connection, account, quoted

_SECONDS_MAX: Final = 10.0
ARMED: Final = "ENABLED"
ASLEEP: Final = "SLAVESIDE_DISABLED"
_ASKED: Final = """
SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER FROM information_schema.EVENTS
WHERE STATUS = %s AND EVENT_SCHEMA IN ({marks}) ORDER BY 1, 2
"""


def disarm(side: Connection, databases: tuple[str, ...]) -> int:
    """Put all armed events to sleep; return how many."""
    return _change(side, databases, ARMED, "DISABLE ON SLAVE")


def arm(side: Connection, databases: tuple[str, ...]) -> int:
    """Wake all that sleep; return how many."""
    return _change(side, databases, ASLEEP, "ENABLE")


def _change(side: Connection, databases: tuple[str, ...], state: str, verb: str) -> int:
    changed: set[tuple[str, str]] = set()
    deadline = time.monotonic() + _SECONDS_MAX
    # A scheduler that is just beginning an event writes back the state in which it found it.
    while found := _in(side, databases, state):
        if time.monotonic() > deadline:
            raise StepFailed(
                "mariadb-events-not-changed",
                what=f"{len(found)} events did not become {verb}",
                why=f"the server took the order and still calls {'.'.join(found[0][:2])} {state}",
                state="the side that served before serves",
                next="look at the server's log, then the same command again",
            )
        for schema, name, definer in found:
            # Whoever alters an event would become its definer.
            link.run(side, f"ALTER DEFINER = {account(definer)} EVENT {quoted(schema, name)} {verb}")
            changed.add((schema, name))
    return len(changed)


def _in(side: Connection, databases: tuple[str, ...], state: str) -> list[link.Row]:
    return link.rows(side, _ASKED.format(marks=", ".join(["%s"] * len(databases))), (state, *databases))
