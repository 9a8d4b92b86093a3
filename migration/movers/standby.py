"""Lets a copy of the source follow it, and rolls it forward to exactly one place of the source's log.

Soundness: the copy is stopped before any slot begins, so every slot begins behind all that the copy has replayed. Let L
be the place of the last slot. Recovery applies exactly the records that begin before L; the slots give exactly the
transactions whose commit begins at L or later. None is in both, none in neither (docs/physical.md).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from migration.errors import StepFailed
from migration.movers import base_backup, cluster, lines, link, stream
from migration.movers.cluster import Cluster
from migration.movers.link import Connection
from migration.movers.physical_facts import SourceFacts
from migration.movers.physical_job import PhysicalJob

_NEVER: Final = {
    "archive_mode": "off",
    "max_logical_replication_workers": "0",
    "autovacuum": "off",
    # Whatever dies before the upgrade is done is thrown away, and the upgrade itself forces everything to disk.
    "fsync": "off",
}
"""A copy must not write to the source's archive, subscribe with its slots, or change what it will be compared by."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The one place in the source's log where the copy ends and the slots begin."""

    lsn: str
    oldest_transaction: int
    """No transaction older than this one is missing from the copy: large objects are carried later by it."""


def catch_up(job: PhysicalJob, source: SourceFacts, server: Cluster, secret: Path, log: Path) -> None:
    """Let the copy follow as a standby until it is close, then stop it."""
    settings = {
        **_settings(job, source),
        # libpq of the source's version reads this: what a newer pg_basebackup would write, it refuses.
        "primary_conninfo": base_backup.conninfo(job, passfile=str(secret)),
        "primary_slot_name": job.physical_slot,
    }
    server.configure(settings, foreign=True)
    cluster.write(job.base / "standby.signal", "", job.user)
    process = server.start(log=log)
    try:
        with link.session(job.source_of(job.databases[0].database), program=job.program) as at_source:
            _wait_until_close(job, at_source, lambda: server.alive(process, log, doing="the standby"))
    finally:
        server.stop()


def _wait_until_close(job: PhysicalJob, source: Connection, alive: Callable[[], None]) -> None:
    query = """SELECT active, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots
        WHERE slot_name = %s"""
    deadline = time.monotonic() + job.catch_up_seconds_max
    first, rate = None, lines.Rate()
    while True:
        alive()
        found = link.rows(source, query, (job.physical_slot,))
        if not found or found[0][1] is None:
            raise _physical_slot_lost(job)
        active, behind = found[0]
        first = behind if first is None else max(first, behind)
        lines.progress("standby", first - behind, first, "bytes", rate.of(first - behind))
        if active and behind <= job.lag_bytes_max:
            return
        if time.monotonic() > deadline:
            raise StepFailed(
                "standby-too-slow",
                what=f"the copy for {job.system} is still {behind:,} bytes behind as a standby",
                why=f"the limit is {job.lag_bytes_max:,} bytes within {job.catch_up_seconds_max:.0f} s",
                state="the source serves; the copy begins again on the next run",
                next="look at the network and at the source's rate of writing, then type the same command again",
            )
        time.sleep(0.1)


def _physical_slot_lost(job: PhysicalJob) -> StepFailed:
    return StepFailed(
        "physical-slot-lost",
        what=f"the slot {job.physical_slot} of the copy is gone or lost its place",
        why="it was dropped, or the source removed log that it still needed (max_slot_wal_keep_size)",
        state="the source serves; the copy begins again on the next run",
        next="raise max_slot_wal_keep_size or copy in a quieter hour, then type the same command again",
    )


def cut(job: PhysicalJob) -> Cut:
    """Begin a slot in every database, and move all of them to the place of the last one.

    The copy must be stopped: a slot that began before what the copy has replayed could not be reached any more.
    """
    lsn, oldest = "0/0", None
    for moved in job.databases:
        lines.progress("waiting for open transactions", 0, None, "steps")
        endpoint = job.source_of(moved.database)
        with link.session(endpoint, program=job.program, statement_seconds=job.slot_seconds_max) as source:
            link.rows(source, "SELECT dcshift.take_turn(%s)", (job.token,))
            if oldest is None:
                oldest = int(link.rows(source, "SELECT txid_snapshot_xmin(txid_current_snapshot())")[0][0])
            try:
                made = "SELECT lsn::text FROM pg_create_logical_replication_slot(%s, 'pgoutput')"
                lsn = str(link.rows(source, made, (moved.name,))[0][0])
            except psycopg.errors.QueryCanceled:
                raise stream.not_ready(job.slot_seconds_max) from None
    for moved in job.databases[:-1]:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            link.rows(source, "SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", (moved.name, lsn))
    with link.session(job.source_of(job.databases[0].database), program=job.program) as source:
        query = "SELECT slot_name, confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = ANY (%s)"
        places = dict(link.rows(source, query, ([moved.name for moved in job.databases],)))
        if set(places.values()) != {lsn} or len(places) != len(job.databases):
            raise StepFailed(
                "slots-apart",
                what=f"the slots of {job.system} do not begin at one place",
                why=f"wanted {lsn}, read {places}",
                state="the source serves; the copy begins again on the next run",
                next="type the same command again",
            )
        # Recovery stops before the first record at L or later: there must be one, and it must be on disk.
        link.run(source, "SET synchronous_commit = local", "SELECT pg_logical_emit_message(true, 'dcshift', '')")
    assert oldest is not None
    return Cut(lsn, oldest)


def recover(job: PhysicalJob, source: SourceFacts, server: Cluster, at: Cut, log: Path) -> None:
    """Replay up to the cut and not a record further, and become a server of its own; it is stopped at the end."""
    more = {
        "recovery_target_lsn": at.lsn,
        "recovery_target_inclusive": "off",
        "recovery_target_timeline": "current",
        "recovery_target_action": "promote",
    }
    before = (job.base / "dcshift.conf").read_text()
    cluster.write(
        job.base / "dcshift.conf", before + "".join(cluster.setting(*each) for each in more.items()), job.user
    )
    lines.progress("recovery to the cut", 0, None, "steps")
    process = server.start(log=log)
    try:
        server.wait(process, log, doing="the recovery to the cut", seconds_max=job.copy_seconds_max)
        _believe(job, server, at)
    finally:
        server.stop()
    # What bound the copy to the source must not come with it.
    server.configure(_settings(job, source), foreign=True)


def _believe(job: PhysicalJob, server: Cluster, at: Cut) -> None:
    """Read where recovery ended from the history that the server itself keeps of it."""
    with server.session("template1") as copy:
        (standby,) = link.rows(copy, "SELECT pg_is_in_recovery()")[0]
    histories = sorted((job.base / "pg_wal").glob("*.history"))
    last = histories[-1].read_text().strip().splitlines()[-1] if histories else "no history"
    found = re.search(r"\t([0-9A-F]+/[0-9A-F]+)\tbefore LSN ([0-9A-F]+/[0-9A-F]+)", last)
    if standby or not found or not place(found[1]) <= place(at.lsn) <= place(found[2]):
        raise StepFailed(
            "cut-missed",
            what=f"the copy for {job.system} did not end at {at.lsn}",
            why=f"in recovery: {standby}; its history says: {last}",
            state="the source serves; the copy begins again on the next run",
            next="type the same command again; if it comes back, keep the folder and look at its log",
        )


def place(lsn: str) -> int:
    """Return a place in the log as a number of bytes."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def _settings(job: PhysicalJob, source: SourceFacts) -> dict[str, str]:
    return {
        **_NEVER,
        # Nobody reads it before it is a server of its own; so the source's limits of sessions need not be copied.
        "hot_standby": "off",
        "max_prepared_transactions": source.settings["max_prepared_transactions"],
        "max_wal_size": "4GB",
    }
