"""Builds the moves of one system out of the adapters."""

from __future__ import annotations

from migration.adapters.background import BackgroundMove
from migration.adapters.database import PostgresMove
from migration.adapters.files import BucketMove, RsyncRemote
from migration.adapters.jobs import CronMove
from migration.adapters.traffic import GateMove
from migration.adapters.web import PublicWebMove
from migration.adapters.workers import ServiceWorkers
from migration.model.context import SystemContext
from migration.ports import Clock, Cluster, Moves, Playbooks, Units


def moves(
    context: SystemContext, *, playbooks: Playbooks, cluster: Cluster, units: Units, remote: RsyncRemote, clock: Clock
) -> Moves:
    """Return what moves each component of the system that `context` tells of."""
    return Moves(
        database=PostgresMove(context, playbooks=playbooks, cluster=cluster, units=units, clock=clock, remote=remote),
        files=BucketMove(context, playbooks=playbooks, cluster=cluster, units=units, remote=remote, clock=clock),
        jobs=BackgroundMove(
            CronMove(context, playbooks=playbooks, cluster=cluster, clock=clock),
            ServiceWorkers(context, playbooks=playbooks, cluster=cluster, clock=clock),
        ),
        web=PublicWebMove(context, playbooks=playbooks, cluster=cluster, remote=remote, clock=clock),
        traffic=GateMove(context, playbooks=playbooks, remote=remote, clock=clock),
    )
