"""Lets a CloudNativePG cluster begin from a copy of a whole server, and follow the source from where the copy ends.

Order: copy and upgrade here; a server that only the cluster may read; the cluster takes the files and starts; both are
compared while neither is written to; only then the cluster follows, and the copy goes. It never writes to the cluster's
object, and never lets the copy itself follow: what that applied, a cluster born before would miss for ever.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from migration.errors import NeedsOperator, StepFailed
from migration.model.words import Finding, Json, Severity
from migration.movers import (
    claim,
    lines,
    physical,
    physical_source,
    physical_target,
    place,
    seed_evidence,
    seed_findings,
    seed_following,
    seed_server,
)
from migration.movers.cluster import Cluster
from migration.movers.physical_facts import SourceFacts, TargetFacts
from migration.movers.place import COPYING, SEEDED, SEEDING, Marker
from migration.movers.seed_job import SeedJob
from migration.movers.spread import memory_bytes_most
from migration.ports.seeding import SeededCluster

_LOOK_SECONDS = 1.0


def move(job: SeedJob, world: SeededCluster) -> dict[str, Json]:
    """Go on from wherever an earlier run ended; return the facts."""
    began = time.monotonic()
    facts: dict[str, Json] = {"cluster": world.name}
    with place.held(job.server) as before:
        place.refuse_other_way(job.server, before, SEEDING, SEEDED)
        physical_source.take_turn(job.server)
        if before.phase == COPYING or _worthless(job, before, world):
            facts |= _copy(job, world)
        marker = _marker(job)
        if marker.phase == SEEDING:
            facts |= _give_birth(job, marker, world)
        # It may serve already; then nothing of the source's may come into it any more.
        physical_target.handed_over(job.server, _phases(job, world))
        facts |= seed_following.follow(job, world)
        place.clear(job.server, phase=SEEDED)
        world.shut_out()
    spent: dict[str, Json] = {
        "memory_bytes_most": memory_bytes_most(),
        "seconds": round(time.monotonic() - began, 1),
    }
    return {**facts, **spent}


def undo(job: SeedJob, world: SeededCluster) -> dict[str, Json]:
    """Take the copy away and everything of it at the source, and let the cluster follow nothing.

    Refuses once a database was handed over. The cluster itself belongs to whoever declared it: it is named and stays.
    """
    with place.held(job.server) as before:
        place.refuse_other_way(job.server, before, SEEDING, SEEDED)
        physical_source.take_turn(job.server)
        left: list[Json] = []
        # Whatever the marker says: folder and machine may have been lost since the cluster followed.
        phases = _phases(job, world) if _stands(before, world) else {}
        physical_target.handed_over(job.server, phases)
        if ours := [moved for moved in job.server.databases if phases.get(moved.database)]:
            seed_following.unsubscribe(ours, world)
            left.append(f"{world.name} holds the copy and follows nothing; whoever declared it removes it")
        place.clear(job.server)
        physical_source.refuse_followers(job.server)
        world.shut_out()
        physical_source.let_go(job.server)
        place.remove(job.server)
    return {"undone": True, "left": left}


def _copy(job: SeedJob, world: SeededCluster) -> dict[str, Json]:
    """Make the copy, after the image that will run it was asked; nobody's cluster may stand there already."""
    if (state := world.state()) is not None and state.system_id:
        # Also of a copy whose folder was lost since: nobody shall be told to have that removed.
        physical_target.handed_over(job.server, _phases(job, world))
        raise StepFailed(
            "seed-too-late",
            what=f"nothing was copied for {world.name}",
            why="it is born already, and a cluster takes files only when it is born",
            state="nothing was changed",
            next="move into it with --engine logical, or have it removed first by whoever declared it",
        )
    lines.progress("asking the image", 0, None, "steps")
    image = world.image(job.cluster.image)

    def judge(source: SourceFacts, target: TargetFacts) -> Iterable[Finding]:
        return seed_findings.of_image(job, image, source, target)

    place.clear(job.server)
    physical_source.refuse_followers(job.server)
    facts, _superuser = physical.copy(job.server, judge, ends=SEEDING)
    return facts


def _worthless(job: SeedJob, before: Marker, world: SeededCluster) -> bool:
    """Say whether a complete copy has to be made again: its changes are lost, and no cluster was born of it yet."""
    if before.phase != SEEDING:
        return False
    try:
        seed_evidence.slots_at_rest(job, before)
    except StepFailed:
        if (state := world.state()) is not None and state.system_id:
            raise
        return True
    return False


def _give_birth(job: SeedJob, marker: Marker, world: SeededCluster) -> dict[str, Json]:
    """Let the cluster take the files, believe nothing until both were compared, and stop the copy's server."""
    server = _server(job, marker)
    seed_server.open_to(job, server, world)
    waited, born = _wait(job, server, world)
    lines.progress("comparing cluster and copy", 0, None, "steps")
    rows = seed_evidence.refuse_other(job, marker, server, world)
    # From here on the cluster may hold what is nowhere else: whoever dies now is followed by one who copies nothing.
    place.write(job.server.folder, Marker(marker.system, job.server.token, SEEDED, marker.superuser, marker.cut))
    server.stop()
    return {"rows_compared": rows, "declared_seconds": waited, "born_seconds": born}


def _wait(job: SeedJob, server: Cluster, world: SeededCluster) -> tuple[float, float]:
    """Wait until somebody declares the cluster and the operator calls it ready; return the seconds of each."""
    began, declared = time.monotonic(), None
    while True:
        state = world.state()
        now = time.monotonic()
        if state is None:
            lines.progress("waiting for the cluster's declaration", 0, None, "steps")
            if now - began > job.cluster.appear_seconds_max:
                raise StepFailed(
                    "seed-not-declared",
                    what=f"{world.name} does not begin from the copy",
                    why=f"nobody has declared it within {job.cluster.appear_seconds_max:.0f} s",
                    state="the copy waits; the source serves and keeps its log from the copy's end on",
                    next="declare it (docs/physical.md), then type the same command again",
                )
        else:
            if declared is None:
                declared = now
                _refuse(world, seed_findings.of_cluster(job, state))
            if state.ready:
                return round(declared - began, 1), round(now - declared, 1)
            seed_server.hasten(server)
            if now - declared > job.cluster.ready_seconds_max:
                raise StepFailed(
                    "seed-not-ready",
                    what=f"{world.name} is not ready",
                    why="; ".join([f"the operator says: {state.phase}", *world.failed_pods()]),
                    state="the copy waits; the source serves and keeps its log from the copy's end on",
                    next=f"look at the pods of {world.name}, then type the same command again",
                )
        time.sleep(_LOOK_SECONDS)


def _refuse(world: SeededCluster, found: Iterable[Finding]) -> None:
    if blockers := [each for each in found if each.severity is Severity.BLOCKER]:
        raise StepFailed(
            "seed-declared-otherwise",
            what=f"{world.name} does not begin from the copy as it is declared",
            why=seed_findings.refusal(blockers),
            state="the copy waits; the source serves and keeps its log from the copy's end on",
            next="; ".join(dict.fromkeys(each.next for each in blockers)),
        )


def _stands(before: Marker, world: SeededCluster) -> bool:
    """Say whether a cluster was born that may hold something."""
    state = world.state()
    if state is None:
        return False
    return bool(state.system_id) or before.phase == SEEDED


def _phases(job: SeedJob, world: SeededCluster) -> dict[str, str | None]:
    """Return how far each database of the cluster is; what cannot be read counts as handed over."""
    try:
        return {moved.database: seed_evidence.in_cluster(world, moved) for moved in job.server.databases}
    except StepFailed as failure:
        raise NeedsOperator(
            "copy-unreadable",
            what=f"whether the move into {world.name} may be undone is not known",
            why=f"its databases do not say how far they are: {failure.why[:500]}",
            state="nothing was changed; the source serves",
            next=f"bring {world.name} up, then type the same command again; or look at {claim.HANDED_OVER} by hand",
        ) from failure


def _marker(job: SeedJob) -> Marker:
    found = place.read(job.server.folder)
    assert found is not None  # the folder is held
    return found


def _server(job: SeedJob, marker: Marker) -> Cluster:
    order = job.server
    return Cluster(order.data, order.target_binaries, order.run, order.port, order.user, marker.superuser)
