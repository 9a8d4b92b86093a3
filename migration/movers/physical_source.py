"""What a physical move takes at the source and gives back: turns, slots, publications; of rows it changes none."""

from __future__ import annotations

import time
from typing import Final

from migration.errors import StepFailed
from migration.model.words import Json
from migration.movers import claim, identity, link, stream
from migration.movers.link import Connection
from migration.movers.physical_job import PhysicalJob

_GONE_SECONDS_MAX: Final = 10.0
"""How long the reader of a server that has just stopped may take to go."""


def take_turn(job: PhysicalJob) -> None:
    """Take the turn in every database; what a killed mover left at work there is ended."""
    for moved in job.databases:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            turn(job, source)
            claim.end_sessions(source, job.program)


def turn(job: PhysicalJob, source: Connection) -> None:
    """Take the turn in one database; one that was never prepared is for the findings to name."""
    if link.rows(source, "SELECT to_regprocedure('dcshift.take_turn(bigint)')")[0][0] is not None:
        link.rows(source, "SELECT dcshift.take_turn(%s)", (job.token,))


def publish(job: PhysicalJob) -> list[Json]:
    """Publish every table of every database, each with an identity: else its updates would fail at the source."""
    keyless: list[Json] = []
    for moved in job.databases:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            turn(job, source)
            identity.give(source)
            # An earlier run that was killed may have given some already.
            remembered = link.rows(source, identity.BEFORE)
            keyless += [f"{moved.database}: {schema}.{table}" for schema, table, _identity, _index in remembered]
            stream.publish(source, job.publication)
    return keyless


def release(job: PhysicalJob) -> None:
    """Drop every slot of ours: one that nobody reads keeps the source's log until its disk is full."""
    for name in (job.physical_slot, *(moved.name for moved in job.databases)):
        drop(job, name)


def drop(job: PhysicalJob, slot: str) -> None:
    """Drop a slot; a logical one only from within its own database."""
    owner = next((moved.database for moved in job.databases if moved.name == slot), job.databases[0].database)
    with link.session(job.source_of(owner), program=job.program) as source:
        # A mover that fails late must not take away the slots of the one that came after it.
        turn(job, source)
        stream.drop_slot(source, slot)


def refuse_followers(job: PhysicalJob) -> None:
    """Raise `StepFailed` where somebody reads a slot of ours although no copy that we know follows any more.

    Its folder was moved or is not mounted, or the order names another machine or cluster; it may even serve by now.
    """
    query = "SELECT slot_name FROM pg_replication_slots WHERE active AND slot_name = ANY (%s) ORDER BY 1"
    names = [moved.name for moved in job.databases]
    deadline = time.monotonic() + _GONE_SECONDS_MAX
    with link.session(job.source, program=job.program) as source:
        while read := [name for (name,) in link.rows(source, query, (names,))]:
            if time.monotonic() > deadline:
                raise StepFailed(
                    "copy-follows-elsewhere",
                    what=f"the slots of {job.system} were not taken from the source",
                    why=f"somebody follows by {', '.join(read)}, and no copy that this order names",
                    state="the source serves, and whoever follows goes on",
                    next="name that copy's folder, machine or cluster, or stop its server; then the same command again",
                )
            time.sleep(0.1)


def let_go(job: PhysicalJob) -> None:
    """Take everything of the move away from the source."""
    release(job)
    for moved in job.databases:
        with link.session(job.source_of(moved.database), program=job.program) as source:
            link.run(source, f"DROP PUBLICATION IF EXISTS {link.quoted(job.publication)}")
            identity.put_back(source)
