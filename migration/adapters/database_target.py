"""Closes and opens the target's database for the application; it never touches the migration's own sessions."""

from __future__ import annotations

import time

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.link import Connection, quoted

_SETTING = """
SELECT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
    JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) line
    WHERE r.rolname = %s AND d.datname = current_database() AND line = 'default_transaction_read_only=on')
"""


def is_read_only(target: Connection, owner: str) -> bool:
    """Say whether new sessions of the application begin read-only."""
    return bool(link.rows(target, _SETTING, (owner,))[0][0])


def set_read_only(target: Connection, owner: str, wanted: bool) -> int:
    """Make the application's sessions read-only or not; sessions that exist are ended, as they keep what they had.

    The owner may change his own settings, so no superuser is needed. Returns how many sessions were ended.
    """
    database = str(link.rows(target, "SELECT current_database()")[0][0])
    change = "SET default_transaction_read_only = on" if wanted else "RESET default_transaction_read_only"
    link.run(target, f"SET ROLE {quoted(owner)}")
    link.run(target, f"ALTER ROLE {quoted(owner)} IN DATABASE {quoted(database)} {change}", "RESET ROLE")
    if is_read_only(target, owner) != wanted:
        raise StepFailed(
            "target-setting-not-kept",
            what=f"the target's database {database} did not become {'read-only' if wanted else 'writable'}",
            why="the setting was changed without an error and reads as before",
            state="the source serves; nothing else was changed",
            next="dcshift check",
        )
    return _end_sessions(target, owner)


def _end_sessions(target: Connection, owner: str, *, seconds_max: float = 10.0) -> int:
    query = """SELECT pid, backend_start FROM pg_stat_activity WHERE datname = current_database() AND usename = %s
        AND backend_type = 'client backend'"""
    old = link.rows(target, query, (owner,))
    deadline = time.monotonic() + seconds_max
    # A new session may have the process number of an old one: its start tells them apart.
    while left := [row for row in link.rows(target, query, (owner,)) if row in old]:
        link.rows(target, "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", ([pid for pid, _ in left],))
        if time.monotonic() > deadline:
            raise StepFailed(
                "target-session-stays",
                what=f"{len(left)} sessions of {owner} on the target did not end in {seconds_max:.0f} s",
                why="they would keep the setting with which they began",
                state="the setting is changed; the source serves",
                next="delete the pod that holds them, then dcshift run",
            )
        time.sleep(0.01)
    return len(old)
