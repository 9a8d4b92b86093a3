"""Turns the upgraded copy into targets that follow: one claim, one subscription and whole indexes for each database."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from migration.errors import NeedsOperator, StepFailed
from migration.model.words import Json
from migration.movers import claim, cluster, indexes, lines, link, stream, upgrade
from migration.movers.cluster import Cluster
from migration.movers.link import quoted
from migration.movers.physical_facts import SourceFacts, TargetFacts
from migration.movers.physical_job import PhysicalJob
from migration.movers.standby import Cut


def adopt(job: PhysicalJob, server: Cluster, at: Cut, source: SourceFacts, target: TargetFacts) -> dict[str, Json]:
    """Bind each database to its slot, disabled, and make its indexes whole, while nobody else can reach the server."""
    log = job.folder / "server.log"
    process = server.start(log=log)
    try:
        server.wait(process, log, doing="the new server", seconds_max=cluster.READY_SECONDS_MAX)
        upgrade.believe(job, source, server)
        # A library that this server was built without cannot have built an index that it opens.
        shared = source.sorters.keys() & target.sorters.keys()
        changed = any(source.sorters[name] != target.sorters[name] for name in shared)
        rebuilt: list[Json] = []
        checked = 0
        for moved in job.databases:
            order = job.of(moved, source.superuser)
            lines.progress(f"subscription of {moved.database}", 0, None, "steps")
            with server.session(moved.database) as database:
                # It came with the copy, and nobody publishes from here.
                link.run(database, f"DROP PUBLICATION IF EXISTS {quoted(job.publication)}")
                claim.adopt(database, moved.system, snapshot_xmin=at.oldest_transaction)
                stream.create_subscription(order, database)
                found = indexes.heal(database, library_changed=changed)
                checked += found.checked
                rebuilt += [f"{moved.database}: {name}" for name in found.rebuilt]
                if target.number < 180000:
                    # Until 18 pg_upgrade leaves statistics behind, and followed updates would be planned without.
                    lines.progress(f"statistics of {moved.database}", 0, None, "steps")
                    link.run(database, "SET statement_timeout = 0", "ANALYZE")
                claim.set_phase(database, claim.FOLLOWING)
        return {"indexes_checked": checked, "indexes_rebuilt": rebuilt}
    finally:
        server.stop()


def open_up(job: PhysicalJob, server: Cluster) -> subprocess.Popen[bytes] | None:
    """Start the target's server as it shall stay, unless it runs; it outlives us."""
    if cluster.server_of(job.data) is not None:
        return None
    log = job.folder / "server.log"
    settings = {**job.settings, "unix_socket_directories": ", ".join(_sockets(job))}
    server.configure(settings, job.access)
    process = server.start(log=log, outlives_us=True)
    server.wait(process, log, doing="the target's server", seconds_max=cluster.READY_SECONDS_MAX)
    return process


def _sockets(job: PhysicalJob) -> list[str]:
    asked = [name.strip() for name in job.settings.get("unix_socket_directories", "").split(",")]
    return [str(job.run), *(name for name in asked if name)]


def phases(job: PhysicalJob, server: Cluster) -> Mapping[str, str | None]:
    """Return how far each database of a copy is by its own claim.

    Raises `NeedsOperator` when it cannot be read: the target may hold writes that exist nowhere else.
    """
    try:
        process = open_up(job, server)
        try:
            found = {}
            for moved in job.databases:
                with server.session(moved.database) as database:
                    found[moved.database] = claim.phase(database, moved.system)
            return found
        except BaseException:
            if process is not None:
                server.stop()
            raise
    except Exception as failure:
        raise NeedsOperator(
            "copy-unreadable",
            what=f"whether {job.folder} may be removed is not known",
            why=f"its server does not say how far it is: {str(failure).strip()[:500]}",
            state="nothing was changed; the source serves",
            next=f"start the server in {job.data} by hand and look at dcshift.claim; if nobody wrote there, remove it",
        ) from failure


def handed_over(job: PhysicalJob, found: Mapping[str, str | None]) -> None:
    """Raise `StepFailed` if any database of a copy serves already."""
    if serving := sorted(name for name, phase in found.items() if phase in (claim.HANDED_OVER, claim.RETIRED)):
        raise StepFailed(
            "target-handed-over",
            what=f"the copy in {job.folder} was not removed",
            why=f"{', '.join(serving)} was handed over and may hold writes that exist nowhere else",
            state="nothing was touched",
            next="dcshift status",
        )


def follows(job: PhysicalJob, server: Cluster, superuser: str) -> bool:
    """Say whether every database of a complete copy can go on following."""
    found = phases(job, server)
    handed_over(job, found)
    for moved in job.databases:
        order = job.of(moved, superuser)
        with link.session(order.source, program=job.program) as source, server.session(moved.database) as target:
            slot = stream.lag(source, moved.name)
            published, known = stream.tables_of(job.publication, moved.name, source, target)
            if found[moved.database] != claim.FOLLOWING or slot is None or slot.lost or not known or published != known:
                return False
    return True
