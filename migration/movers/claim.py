"""Marks a target database as ours and cleans what a killed copy left; it never touches what others put there."""

from __future__ import annotations

import time

from migration.errors import StepFailed
from migration.movers import link, settings, stream
from migration.movers.link import Connection, quoted

COPYING, FOLLOWING, HANDED_OVER, RETIRED = "copying", "following", "handed-over", "retired"

_FOREIGN = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift')
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""

_MAKE = """
CREATE SCHEMA IF NOT EXISTS dcshift;
CREATE TABLE IF NOT EXISTS dcshift.claim (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    system text NOT NULL,
    phase text NOT NULL,
    snapshot_xmin bigint,
    tables integer
);
CREATE TABLE IF NOT EXISTS dcshift.marker (id integer PRIMARY KEY, value bigint NOT NULL, at timestamptz NOT NULL);
"""


def foreign(target: Connection) -> list[str]:
    """Return relations of a target that carries no claim of ours."""
    return [] if _claimed(target) else [name for (name,) in link.rows(target, _FOREIGN)]


def phase(target: Connection, system: str) -> str | None:
    """Return how far the copy of this system is, or None when the target carries no claim."""
    if not _claimed(target):
        return None
    found = link.rows(target, "SELECT system, phase FROM dcshift.claim")
    if not found:
        return None
    if found[0][0] != system:
        raise StepFailed(
            "target-of-another-system",
            what=f"the target database holds the copy of {found[0][0]}, not of {system}",
            why="its marker dcshift.claim says so",
            state="nothing was touched",
            next="look at the target contract: do two systems share one database?",
        )
    return str(found[0][1])


def take(target: Connection, system: str) -> None:
    """Claim an empty database; raises `StepFailed` when it holds relations that we did not make."""
    if others := foreign(target):
        raise StepFailed(
            "target-not-empty",
            what=f"the target database of {system} already holds {len(others)} relations",
            why=f"they are not of a copy of ours: {', '.join(others[:5])}",
            state="nothing was touched",
            next="empty the database by hand if they are not needed, then dcshift run",
        )
    _make(target)
    link.rows(
        target,
        "INSERT INTO dcshift.claim (system, phase) VALUES (%s, %s) ON CONFLICT (only_one) DO UPDATE"
        " SET phase = excluded.phase, snapshot_xmin = NULL WHERE claim.phase IN ('copying', 'following')",
        (system, COPYING),
    )


def adopt(target: Connection, system: str, *, snapshot_xmin: int) -> None:
    """Claim a copy of the whole source, which holds what we keep there: of that only the marker stays."""
    with target.transaction():
        if link.rows(target, "SELECT to_regclass('dcshift.settings')")[0][0] is not None:
            link.run(target, "CREATE SCHEMA dcshift_kept", "ALTER TABLE dcshift.marker SET SCHEMA dcshift_kept")
            link.run(target, "DROP SCHEMA dcshift CASCADE", "ALTER SCHEMA dcshift_kept RENAME TO dcshift")
        _make(target)
        claim = "INSERT INTO dcshift.claim (system, phase, snapshot_xmin) VALUES (%s, %s, %s)"
        link.rows(target, claim, (system, COPYING, snapshot_xmin))


def _make(target: Connection) -> None:
    for statement in _MAKE.strip().rstrip(";").split(";\n"):
        link.run(target, statement)


def set_phase(target: Connection, value: str) -> None:
    link.rows(target, "UPDATE dcshift.claim SET phase = %s", (value,))


def clean(target: Connection, system: str, owner: str, name: str) -> None:
    """Drop the subscription and everything that was copied; refuses once the target has been handed over."""
    now = phase(target, system)
    if now in (HANDED_OVER, RETIRED):
        raise StepFailed(
            "target-handed-over",
            what=f"the copy of {system} on the target was not removed",
            why="the target was handed over and may hold writes that exist nowhere else",
            state="nothing was touched",
            next="dcshift status",
        )
    stream.drop_subscription(target, name)
    if now is None:
        return
    settings.reset(target, owner)
    # The database was empty when it was claimed, so all that the owner has in it came from us.
    link.run(target, "SET statement_timeout = '300s'", f"SET ROLE {quoted(owner)}")
    link.run(target, f"DROP OWNED BY {quoted(owner)} CASCADE", "RESET ROLE")


def leave(target: Connection) -> None:
    """Remove the claim itself."""
    link.run(target, "DROP SCHEMA IF EXISTS dcshift CASCADE")


def end_sessions(connection: Connection, program: str, *, seconds_max: float = 30.0) -> int:
    """End what a killed mover left running on this server, and wait until it is gone."""
    query = """SELECT pid FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()
        AND usename = current_user"""
    deadline = time.monotonic() + seconds_max
    ended: set[int] = set()
    while found := [pid for (pid,) in link.rows(connection, query, (program,))]:
        if time.monotonic() > deadline:
            raise StepFailed(
                "leftover-session",
                what=f"sessions of an earlier mover did not end within {seconds_max:.0f} s",
                why=f"server processes {found} named {program}",
                state="nothing was touched",
                next="end them on the server, then dcshift run",
            )
        link.rows(connection, "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (found,))
        ended |= set(found)
        time.sleep(0.05)
    return len(ended)


def _claimed(target: Connection) -> bool:
    return link.rows(target, "SELECT to_regclass('dcshift.claim')")[0][0] is not None
