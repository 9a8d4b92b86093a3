"""Moves a whole PostgreSQL server by its files to a newer version on this machine, and follows its changes.

`dcshift move postgres --engine physical`, run where the target shall be. It begins again from nothing after being
killed at any moment before the copy follows, only reads the source's rows, and removes no folder but its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

import psycopg

from migration.errors import MigrationError
from migration.model.words import Finding, Json
from migration.movers import (
    base_backup,
    lines,
    link,
    physical_facts,
    physical_findings,
    physical_source,
    physical_target,
    place,
    postgres,
    room,
    standby,
    upgrade,
)
from migration.movers.cluster import Cluster
from migration.movers.physical_facts import SourceFacts, TargetFacts
from migration.movers.physical_job import PhysicalJob
from migration.movers.place import COPYING, FOLLOWING, Marker
from migration.movers.spread import memory_bytes_most

Judge = Callable[[SourceFacts, TargetFacts], Iterable[Finding]]


def _nothing(_source: SourceFacts, _target: TargetFacts) -> Iterable[Finding]:
    return ()


def move(job: PhysicalJob) -> dict[str, Json]:
    """Copy, upgrade and follow, or only follow when the copy is complete; return the facts."""
    began = time.monotonic()
    facts: dict[str, Json] = {}
    with place.held(job) as before:
        place.refuse_other_way(job, before, FOLLOWING)
        physical_source.take_turn(job)
        superuser = before.superuser
        if before.phase != FOLLOWING:
            _clear_unfollowed(job)
        if before.phase != FOLLOWING or not physical_target.follows(job, _target(job, superuser), superuser):
            facts, superuser = copy(job)
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
        place.refuse_other_way(job, before, FOLLOWING)
        physical_source.take_turn(job)
        if before.phase == FOLLOWING:
            found = physical_target.phases(job, _target(job, before.superuser))
            physical_target.handed_over(job, found)
            place.clear(job)
        else:
            _clear_unfollowed(job)
        physical_source.let_go(job)
        place.remove(job)
    return {"undone": True}


def copy(job: PhysicalJob, judge: Judge = _nothing, *, ends: str = FOLLOWING) -> tuple[dict[str, Json], str]:
    """Make the copy from nothing up to the phase `ends`; after a failure no slot of ours keeps the source's log.

    `judge` says what else speaks against it once the new server was asked, before a byte is carried. Returns the facts
    and the name of the servers' superuser.
    """
    lines.progress("cleaning", 0, None, "steps")
    place.clear(job)
    physical_source.release(job)
    try:
        return _copy_anew(job, judge, ends)
    except BaseException:
        # A rerun begins from nothing anyway. What cannot be dropped now it drops then.
        with contextlib.suppress(psycopg.Error, MigrationError, OSError):
            place.clear(job, logs=False)
        with contextlib.suppress(psycopg.Error):
            physical_source.release(job)
        raise


def _copy_anew(job: PhysicalJob, judge: Judge, ends: str) -> tuple[dict[str, Json], str]:
    source = physical_facts.of_source(job)
    found = [*physical_findings.of_machine(job, source, room.free_bytes(job.folder))]
    found += physical_findings.of_source(job, source)
    physical_findings.refuse(job, found)
    place.write(job.folder, Marker(job.system, job.token, COPYING, source.superuser))
    place.make(job)
    server = _target(job, source.superuser)
    target = upgrade.initialise(job, source, server)
    found += [*physical_findings.of_target(job, source, target), *judge(source, target)]
    warnings = physical_findings.refuse(job, found)
    keyless = physical_source.publish(job)
    old = Cluster(job.base, job.source_binaries, job.run, job.port, job.user, source.superuser)
    log = job.folder / "standby.log"
    with base_backup.pass_file(job) as secret:
        copied = base_backup.copy_files(job, secret)
        standby.catch_up(job, source, old, secret, log)
        cut = standby.cut(job)
        standby.recover(job, source, old, cut, log)
    physical_source.drop(job, job.physical_slot)
    upgrade.link_files(job, source, server)
    facts = physical_target.adopt(job, server, cut, source, target)
    place.write(job.folder, Marker(job.system, job.token, ends, source.superuser, cut.lsn))
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


def _clear_unfollowed(job: PhysicalJob) -> None:
    """Clear a folder that promises no copy; raises `StepFailed` where one follows nevertheless, so from elsewhere."""
    place.clear(job)
    physical_source.refuse_followers(job)


def _follow(job: PhysicalJob, server: Cluster, superuser: str) -> dict[str, Json]:
    behind: dict[str, Json] = {}
    for moved in job.databases:
        order = job.of(moved, superuser)
        with link.session(order.source, program=job.program) as source, server.session(moved.database) as target:
            physical_source.turn(job, source)
            behind[moved.database] = postgres.catch_up(order, source, target)["lag_bytes"]
    return {"lag_bytes": behind}


def _target(job: PhysicalJob, superuser: str) -> Cluster:
    return Cluster(job.data, job.target_binaries, job.run, job.port, job.user, superuser)
