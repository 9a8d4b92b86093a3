"""Moves a whole PostgreSQL server by its files to a newer version on this machine, and follows its changes.

`dcshift move postgres --engine physical`, run where the target shall be. It begins again from nothing after being
killed at any moment before the copy follows, only reads the source's rows, and removes no folder but its own.
"""

from __future__ import annotations

import contextlib
import time

import psycopg

from migration.errors import MigrationError
from migration.model.words import Json
from migration.movers import (
    base_backup,
    claim,
    identity,
    lines,
    link,
    physical_facts,
    physical_findings,
    physical_target,
    place,
    postgres,
    room,
    standby,
    stream,
    upgrade,
)
from migration.movers.cluster import Cluster
from migration.movers.link import Connection
from migration.movers.physical_job import PhysicalJob
from migration.movers.place import COPYING, FOLLOWING, Marker
from migration.movers.spread import memory_bytes_most


def move(job: PhysicalJob) -> dict[str, Json]:
    """Copy, upgrade and follow, or only follow when the copy is complete; return the facts."""
    began = time.monotonic()
    facts: dict[str, Json] = {}
    with place.held(job) as before:
        _take_turn(job)
        superuser = before.superuser
        if before.phase != FOLLOWING or not physical_target.follows(job, _target(job, superuser), superuser):
            facts, superuser = _copy(job)
        server = _target(job, superuser)
        physical_target.open_up(job, server)
        facts |= _follow(job, server, superuser)
    place_of_it: dict[str, Json] = {"data_directory": str(job.data), "port": job.port}
    spent: dict[str, Json] = {
        "memory_bytes_most": memory_bytes_most(),
        "seconds": round(time.monotonic() - began, 1),
    }
    return {**facts, **place_of_it, **spent}


def undo(job: PhysicalJob) -> dict[str, Json]:
    """Remove the copy and everything of it at the source; refuses once a database was handed over."""
    with place.held(job) as before:
        _take_turn(job)
        if before.phase == FOLLOWING:
            found = physical_target.phases(job, _target(job, before.superuser))
            physical_target.handed_over(job, found)
        place.clear(job)
        _release(job)
        for moved in job.databases:
            with link.session(job.source_of(moved.database), program=job.program) as source:
                link.run(source, f"DROP PUBLICATION IF EXISTS {link.quoted(job.publication)}")
                identity.put_back(source)
        place.remove(job)
    return {"undone": True}


def _take_turn(job: PhysicalJob) -> None:
    """Take the turn in every database; what a killed mover left at work there is ended."""
    for moved in job.databases:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            _turn(job, source)
            claim.end_sessions(source, job.program)


def _turn(job: PhysicalJob, source: Connection) -> None:
    """Take the turn in one database; one that was never prepared is for the findings to name."""
    if link.rows(source, "SELECT to_regprocedure('dcshift.take_turn(bigint)')")[0][0] is not None:
        link.rows(source, "SELECT dcshift.take_turn(%s)", (job.token,))


def _copy(job: PhysicalJob) -> tuple[dict[str, Json], str]:
    """Make the copy from nothing; after a failure no slot of ours keeps the source's log."""
    lines.progress("cleaning", 0, None, "steps")
    place.clear(job)
    _release(job)
    try:
        return _copy_anew(job)
    except BaseException:
        # A rerun begins from nothing anyway. What cannot be dropped now it drops then.
        with contextlib.suppress(psycopg.Error, MigrationError, OSError):
            place.clear(job, logs=False)
        with contextlib.suppress(psycopg.Error):
            _release(job)
        raise


def _copy_anew(job: PhysicalJob) -> tuple[dict[str, Json], str]:
    source = physical_facts.of_source(job)
    found = [*physical_findings.of_machine(job, source, room.free_bytes(job.folder))]
    found += physical_findings.of_source(job, source)
    physical_findings.refuse(job, found)
    place.write(job.folder, Marker(job.system, job.token, COPYING, source.superuser))
    place.make(job)
    server = _target(job, source.superuser)
    target = upgrade.initialise(job, source, server)
    warnings = physical_findings.refuse(job, [*found, *physical_findings.of_target(job, source, target)])
    keyless = _publish(job)
    old = Cluster(job.base, job.source_binaries, job.run, job.port, job.user, source.superuser)
    log = job.folder / "standby.log"
    with base_backup.pass_file(job) as secret:
        copied = base_backup.copy_files(job, secret)
        standby.catch_up(job, source, old, secret, log)
        cut = standby.cut(job)
        standby.recover(job, source, old, cut, log)
    _drop(job, job.physical_slot)
    upgrade.link_files(job, source, server)
    facts = physical_target.adopt(job, server, cut, source, target)
    place.write(job.folder, Marker(job.system, job.token, FOLLOWING, source.superuser))
    place.forget_base(job)
    return {
        **facts,
        "bytes": copied,
        "databases": len(job.databases),
        "cut": cut.lsn,
        "snapshot_xmin": cut.oldest_transaction,
        "keyless_tables": keyless,
        "warnings": [*warnings],
    }, source.superuser


def _publish(job: PhysicalJob) -> list[Json]:
    """Publish every table of every database, each with an identity: else its updates would fail at the source."""
    keyless: list[Json] = []
    for moved in job.databases:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            _turn(job, source)
            identity.give(source)
            # An earlier run that was killed may have given some already.
            remembered = link.rows(source, identity.BEFORE)
            keyless += [f"{moved.database}: {schema}.{table}" for schema, table, _identity, _index in remembered]
            stream.publish(source, job.publication)
    return keyless


def _follow(job: PhysicalJob, server: Cluster, superuser: str) -> dict[str, Json]:
    behind: dict[str, Json] = {}
    for moved in job.databases:
        order = job.of(moved, superuser)
        with link.session(order.source, program=job.program) as source, server.session(moved.database) as target:
            _turn(job, source)
            behind[moved.database] = postgres.catch_up(order, source, target)["lag_bytes"]
    return {"lag_bytes": behind}


def _release(job: PhysicalJob) -> None:
    for name in (job.physical_slot, *(moved.name for moved in job.databases)):
        _drop(job, name)


def _drop(job: PhysicalJob, slot: str) -> None:
    """Drop a slot; a logical one only from within its own database."""
    owner = next((moved.database for moved in job.databases if moved.name == slot), job.databases[0].database)
    with link.session(job.source_of(owner), program=job.program) as source:
        # A mover that fails late must not take away the slots of the one that came after it.
        _turn(job, source)
        stream.drop_slot(source, slot)


def _target(job: PhysicalJob, superuser: str) -> Cluster:
    return Cluster(job.data, job.target_binaries, job.run, job.port, job.user, superuser)
