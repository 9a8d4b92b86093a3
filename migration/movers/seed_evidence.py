"""Proves that a cluster was born of this copy and holds what it holds, while neither of both is written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from migration.errors import StepFailed
from migration.movers import link, stream
from migration.movers.cluster import Cluster
from migration.movers.link import literal, quoted
from migration.movers.physical_job import MovedDatabase
from migration.movers.place import Marker
from migration.movers.seed_job import SeedJob
from migration.ports.seeding import SeededCluster

Facts = Mapping[str, str]
_COUNT_SECONDS_MAX = 4 * 3600.0
_DIFFERENCES_SHOWN = 8
_TABLES_AT_ONCE = 50
_ROWS_OF = "rows of "
_SERVER = """
SELECT 'identifier of the server' AS what, system_identifier::text AS value FROM pg_control_system()
UNION ALL SELECT 'version', split_part(current_setting('server_version'), '.', 1)
UNION ALL SELECT 'databases', string_agg(datname, ', ' ORDER BY datname) FROM pg_database
UNION ALL SELECT 'version of provider ' || collprovider::text, max(pg_collation_actual_version(oid)) FROM pg_collation
    WHERE collprovider IN ('c', 'i') AND collname NOT IN ('C', 'POSIX') AND pg_collation_actual_version(oid) IS NOT NULL
    GROUP BY collprovider
"""
_DATABASE = """
SELECT 'claim' AS what, format('%s, %s, %s', system, phase, snapshot_xmin) AS value FROM dcshift.claim
UNION ALL SELECT 'subscription ' || subname, format('enabled: %s, slot: %s', subenabled, subslotname)
    FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
UNION ALL SELECT format('followed table %s.%s', n.nspname, c.relname), r.srsubstate::text
    FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
"""


def refuse_other(job: SeedJob, marker: Marker, server: Cluster, world: SeededCluster) -> int:
    """Compare cluster and copy; return how many rows were counted, the same in both.

    Raises `StepFailed` with the differences, or if somebody has used a slot or a subscription meanwhile.
    """
    slots_at_rest(job, marker)
    counted, found = 0, compared("", _of_copy(server, "postgres", _SERVER), _of_cluster(world, "postgres", _SERVER))
    if not found:
        for moved in job.server.databases:
            tables = _followed(job, moved, server)
            for query in (_DATABASE, *_counts(tables)):
                ours = _of_copy(server, moved.database, query)
                found += compared(f"{moved.database}: ", ours, _of_cluster(world, moved.database, query))
                counted += sum(int(value) for what, value in ours.items() if what.startswith(_ROWS_OF))
    if found:
        raise StepFailed(
            "seed-differs",
            what=f"{world.name} is not the copy in {job.server.folder}",
            why="; ".join(found[:_DIFFERENCES_SHOWN]),
            state="the cluster follows nothing; the source serves, and the copy is kept",
            next="remove the cluster, undo this move (docs/physical.md), and begin again",
        )
    return counted


def compared(where: str, copy: Facts, cluster: Facts) -> list[str]:
    """Return each fact that both do not have alike; pure."""
    return [
        f"{where}{what}: {cluster.get(what, 'nothing')} there, {copy.get(what, 'nothing')} here"
        for what in sorted(copy.keys() | cluster.keys())
        if copy.get(what) != cluster.get(what)
    ]


def slots_at_rest(job: SeedJob, marker: Marker) -> None:
    """Raise `StepFailed` unless every slot stands where the copy ends: what was taken from it is nowhere else."""
    with link.session(job.server.source, program=job.server.program) as source:
        query = """SELECT slot_name, confirmed_flush_lsn::text, active, wal_status FROM pg_replication_slots
            WHERE slot_name = ANY (%s)"""
        names = [moved.name for moved in job.server.databases]
        found = {name: (place, active, status) for name, place, active, status in link.rows(source, query, (names,))}
    if wrong := unrest(names, found, marker.cut):
        raise StepFailed(
            "seed-slots-moved",
            what=f"the changes since the copy of {job.server.system} are not all there any more",
            why="; ".join(wrong),
            state="nothing was changed; the source serves",
            next="undo this move (docs/physical.md), remove the cluster if there is one, and begin again",
        )


def unrest(names: Iterable[str], found: Mapping[str, tuple[str, bool, str]], cut: str) -> list[str]:
    """Return what is wrong with each slot: gone, lost, read by somebody, or not where the copy ends; pure."""
    wrong = []
    for name in names:
        place, active, status = found.get(name, (None, False, None))
        if place is None:
            wrong.append(f"slot {name} is gone")
        elif status == "lost":
            wrong.append(f"slot {name} lost its place (max_slot_wal_keep_size)")
        elif active or place != cut:
            wrong.append(
                f"slot {name} stands at {place}{', read by somebody' if active else ''}; the copy ends at {cut}"
            )
    return wrong


def _followed(job: SeedJob, moved: MovedDatabase, server: Cluster) -> list[str]:
    """Return the tables that are published and known as ready; raises `StepFailed` where both are not the same."""
    with (
        link.session(job.server.source_of(moved.database), program=job.server.program) as source,
        server.session(moved.database) as target,
    ):
        published, known = stream.tables_of(job.server.publication, moved.name, source, target)
        if published != known:
            raise stream.misses_tables(moved.name, published, known)
        return sorted(known)


def _counts(tables: Sequence[str]) -> Iterator[str]:
    """Yield queries that count the rows of these tables, none longer than a command line may be."""
    for first in range(0, len(tables), _TABLES_AT_ONCE):
        yield " UNION ALL ".join(
            f"SELECT {literal(_ROWS_OF + table)} AS what, count(*)::text AS value FROM ONLY {table}"
            for table in tables[first : first + _TABLES_AT_ONCE]
        )


def _of_copy(server: Cluster, database: str, query: str) -> Facts:
    with server.session(database, statement_seconds=_COUNT_SECONDS_MAX) as session:
        return dict(link.rows(session, query))


def _of_cluster(world: SeededCluster, database: str, query: str) -> Facts:
    return {str(row["what"]): str(row["value"]) for row in world.rows(database, query)}


def in_cluster(world: SeededCluster, moved: MovedDatabase) -> str | None:
    """Return how far a database of the cluster is by its own claim; None where it has none, or is not there."""
    if not world.rows("postgres", f"SELECT 1 AS one FROM pg_database WHERE datname = {literal(moved.database)}"):
        return None
    if not world.rows(moved.database, "SELECT 1 AS one WHERE to_regclass('dcshift.claim') IS NOT NULL"):
        return None
    found = world.rows(moved.database, "SELECT phase FROM dcshift.claim")
    return str(found[0]["phase"]) if found else None


def subscribed(world: SeededCluster, moved: MovedDatabase) -> bool:
    query = f"SELECT 1 AS one FROM pg_subscription WHERE subname = {literal(moved.name)}"
    return bool(world.rows(moved.database, query))


def enable(moved: MovedDatabase) -> str:
    """Return the statement that lets a database follow."""
    return f"ALTER SUBSCRIPTION {quoted(moved.name)} ENABLE"
