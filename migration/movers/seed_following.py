"""Lets the cluster that was born of a copy follow the source, and re-reads there that it does."""

from __future__ import annotations

import time
from collections.abc import Iterable

from catalogue import seeding
from migration.errors import StepFailed
from migration.model.words import Json
from migration.movers import lines, link, physical_source, seed_evidence, stream
from migration.movers.link import Connection, literal, quoted
from migration.movers.physical_job import MovedDatabase
from migration.movers.seed_job import SeedJob
from migration.ports.seeding import SeededCluster

_LOOK_SECONDS = 0.5
_DOORS = f"""
SELECT format('line %s: %s', line_number, coalesce(error, 'lets in ' || {literal(seeding.ROLE)})) AS door
FROM pg_hba_file_rules WHERE error IS NOT NULL OR {literal(seeding.ROLE)} = ANY (user_name)
UNION ALL SELECT 'the role ' || rolname FROM pg_roles WHERE rolname = {literal(seeding.ROLE)}
"""


def follow(job: SeedJob, world: SeededCluster) -> dict[str, Json]:
    """Close what only the copying needed, enable every subscription, and wait until each database is close."""
    world.run("postgres", f"DROP ROLE IF EXISTS {quoted(seeding.ROLE)}")
    if doors := [str(row["door"]) for row in world.rows("postgres", _DOORS)]:
        raise StepFailed(
            "seed-door-open",
            what=f"{world.name} was not let to follow",
            why=f"what let it read the copy, or came with that, is still there: {', '.join(doors)}",
            state="the cluster has the copy and follows nothing; the source serves",
            next="mend it in the cluster, then type the same command again",
        )
    behind: dict[str, Json] = {}
    for moved in job.server.databases:
        with link.session(job.server.source_of(moved.database), program=job.server.program) as source:
            physical_source.turn(job.server, source)
            world.run(moved.database, seed_evidence.enable(moved))
            behind[moved.database] = _catch_up(job, moved, source, world)
    return {"lag_bytes": behind}


def unsubscribe(databases: Iterable[MovedDatabase], world: SeededCluster) -> None:
    """Drop the cluster's subscriptions without touching the slots, and re-read that they are gone."""
    for moved in databases:
        if seed_evidence.subscribed(world, moved):
            name = quoted(moved.name)
            world.run(
                moved.database,
                f"ALTER SUBSCRIPTION {name} DISABLE",
                f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)",
                f"DROP SUBSCRIPTION {name}",
            )
        if seed_evidence.subscribed(world, moved):
            raise StepFailed(
                "seed-still-subscribed",
                what=f"{moved.database} of {world.name} still follows the source",
                why=f"its subscription {moved.name} was dropped and is there",
                state="the copy and the slots are kept; the source serves",
                next="look who subscribes there, then type the same command again",
            )
    world.run("postgres", f"DROP ROLE IF EXISTS {quoted(seeding.ROLE)}")


def _catch_up(job: SeedJob, moved: MovedDatabase, source: Connection, world: SeededCluster) -> int:
    """Wait until a marker that is written now has arrived; return how many bytes were left."""
    deadline = time.monotonic() + job.server.catch_up_seconds_max
    rate, first, mark = lines.Rate(), None, None
    while True:
        lag = stream.lag(source, moved.name)
        if lag is None or lag.lost:
            raise StepFailed(
                "stream-lost",
                what=f"the slot {moved.name} is gone or lost its place",
                why="it was dropped, or the source removed log that it still needed (max_slot_wal_keep_size)",
                state="the source serves; the cluster can no longer follow",
                next="undo this move (docs/physical.md), remove the cluster, and begin again",
            )
        first = lag.bytes if first is None else max(first, lag.bytes)
        # The operator's network policies may keep it from the source: then nobody reads, and nothing else says so.
        waits = None if lag.active else f"{world.name} does not read from the source"
        lines.progress("catching up", first - lag.bytes, first, "bytes", rate.of(first - lag.bytes), waits=waits)
        if lag.active and lag.bytes <= job.server.lag_bytes_max:
            mark = stream.mark(source) if mark is None else mark
            if _arrived(world, moved) >= mark:
                return lag.bytes
        if time.monotonic() > deadline:
            raise StepFailed(
                "catch-up-too-slow",
                what=f"{moved.database} is still {lag.bytes} bytes behind{'' if lag.active else ', and nobody reads'}",
                why=f"the limit is {job.server.lag_bytes_max} bytes within {job.server.catch_up_seconds_max:.0f} s",
                state="the source serves; the stream goes on",
                next=f"look at the log of {world.name}, then type the same command again",
            )
        time.sleep(_LOOK_SECONDS)


def _arrived(world: SeededCluster, moved: MovedDatabase) -> int:
    found = world.rows(moved.database, "SELECT value FROM dcshift.marker WHERE id = 1")
    return int(str(found[0]["value"])) if found else -1
