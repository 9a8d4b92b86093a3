"""The page of sizes: what one system takes from the cluster at each level, added up from what is rendered for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from catalogue import norms
from infra import sizes
from infra.components.log_relay import volume_gibibytes
from infra.render import footprint, representative
from infra.render.footprint import Amount, Footprint
from infra.render.representative import Place

_MANY: Final = 30
_POOLERS: Final = 3
_PAGE: Final = """# Capacity and sizing

What a system takes from the cluster follows from its level, its jobs and the size of its database; nobody writes it down.
The tables are added up from the manifests of the example province's `{system}` ({jobs} jobs, {storage} of database, {buckets}
bucket) outside a lab, read by the norms `{norms}`. Written by `make docs`; do not edit.

## One system by level
*Always* is what the pods request that always run: the fewest web pods, all database instances, and the pool of connections, which has
as many pods as the level asks for of web. *At most* is what the quotas of its two namespaces let it request, or use, when it is scaled
out, in a roll-out, its jobs overlap and an instance joins.

| level | web pods | database instances | CPU always | memory always | CPU at most | memory at most | CPU used at most | memory used at most | pods at most | volumes | volumes at most |
|---|---|---|---|---|---|---|---|---|---|---|---|
{levels}

The exposure of a system changes none of it. {many} systems like this one, if all have one level (level {apart} asks for a cluster
each, so its row is the sum of {many} clusters):

| level | CPU always | memory always | CPU at most | memory at most | volumes | volumes at most |
|---|---|---|---|---|---|---|
{many_levels}

## One pod by part
| part | CPU requested | CPU at most | memory requested | memory at most |
|---|---|---|---|---|
{parts}

They are the same for every system (`catalogue/demand.py`, `infra/sizes.py`). A pod may use {memory_times} times the memory and
{cpu_times} times the CPU that it requests: a busy system borrows what others leave, and a node full of busy systems has
nothing to lend.

## Connections
A database takes {connections} connections; {past_pool} of them are for whoever comes past a pool: superusers, the operator, schema migrations, the
copying of a move. The pods of a pool (`database.pooler`) share the rest, each with half of its part, as in a roll-out as many may go as
have come: ({connections} − {past_pool}) ÷ (2 × pods). Each takes {clients} clients, five for every connection of the database; those beyond its
connections wait.

| pods | connections of each | clients of each |
|---|---|---|
{pools}

## How much the centre must have
- `dcshift catalogue check` adds up CPU and memory *at most*, one volume an instance and every volume of files, of every system, and refuses a
  catalogue that asks for more than `capacity` in province.yaml. Write there what the nodes can give to pods after their own needs.
- A system's `quota` in its file is a ceiling for the same sum; it never raises anything.
- A volume holds data, indexes and log of one instance, and grows only when somebody raises `storage` and its class can expand
  volumes. Twice the source's database is our rule of thumb, not a measurement: the move builds indexes after the rows, and the log
  waits for whoever follows it.

## What is not counted
- Monitoring, once for a centre: Prometheus requests {prometheus_cpu} CPU and {prometheus_memory} and has a volume of {prometheus_volume}; Alertmanager {alertmanager_cpu} CPU
  and {alertmanager_memory}.
- The security log, where the province declares one: on each node an agent that requests {agent_cpu} CPU and {agent_memory}; once for a centre the relay,
  {relay_cpu} CPU and {relay_memory}, with a volume for {buffer_hours} hours of {events} lines a second: {relay_volume} in the example.
- The cluster's own: API server, etcd, operator, gateway, DNS, and what nodes keep for themselves. No stack of ours declares it.
- Volumes of files (`kind: volume`): the example has none. Each adds its `storage` once, however many pods open it, to the quota of `app` and to the sum
  above; its copies inside the cluster are its class's, and ours is none.
- Buckets: they have no size in the catalogue, and no quota in the store. Each keeps what was overwritten or deleted for `kept_days`
  ({kept_days} in the example): room for the files, and for what changes in so many days; a move adds what changes between its passes.
- Copies for the case of loss: each database has a bucket with a base backup a night and the log between, compressed. They are kept
  {backup_days} days, and what was deleted then stays in the bucket as many days again: room for twice {backup_days} of them. From level {lock_level} on
  nobody can free it before.
- Disks of nodes: images, and what containers write there, which is bounded and not reserved: {disk} each with `/tmp` and log,
  {data_disk} around a database; the sum by the quotas (`limits.ephemeral-storage`).
- Where things fit: `capacity` is a sum. Whether the largest pod fits on a node, and whether there are as many hosts and zones as copies
  must have, `python -m infra.up` asks the cluster, as if it were empty. Whether everything still runs when a node or a zone is lost is
  computed by nobody. Copies prefer different nodes; from level {apart_level} on instances of a database are forced onto hosts of their own.
- The move: what the job host and the source need while data flows.
- Load: no figure of a pod was measured under a real province's citizens. They carry the two example systems under the lab's
  traffic. Web pods are added by memory alone (three times what they request), and only where the cluster has a metrics server.
"""  # noqa: E501  a row of a table is one line


def page() -> str:
    """Return docs/sizing.md."""
    taken = {level: footprint.of(representative.documents(Place(level, "internal"))) for level in norms.LEVELS}
    one = taken[norms.LEVELS[0]]
    settings = representative.stacks(Place(1, "internal"))[0].settings
    assert settings is not None
    log = settings.catalogue.province.security_log
    assert log is not None, "the example declares one"
    law = norms.named(settings.catalogue.province.norms)
    return _PAGE.format(
        system=representative.SYSTEM,
        jobs=one.jobs,
        storage=_gibibytes(one.storage // one.instances),
        buckets=one.buckets,
        norms=law.id,
        levels=_rows([str(level), *_whole(each)] for level, each in taken.items()),
        many=_MANY,
        apart=next(level for level in norms.LEVELS if norms.controls(law, level).own_cluster),
        memory_times=_times_of([size.memory_limit / size.memory_request for size in _PARTS.values()]),
        cpu_times=_times_of([size.cpu_limit / size.cpu_request for size in _PARTS.values()]),
        many_levels=_rows([str(level), *_times(each, _MANY)] for level, each in taken.items()),
        prometheus_volume=_gibibytes(sizes.PROMETHEUS_VOLUME),
        **_once("prometheus", sizes.PROMETHEUS),
        **_once("alertmanager", sizes.ALERTMANAGER),
        **_once("agent", sizes.LOG_AGENT),
        **_once("relay", sizes.LOG_RELAY),
        relay_volume=f"{volume_gibibytes(log)} GiB",
        buffer_hours=log.buffer_hours,
        events=log.events_per_second,
        backup_days=sizes.BACKUP_DAYS,
        disk=_gibibytes(sizes.DISK),
        data_disk=_gibibytes(sizes.DATABASE.disk_limit),
        kept_days=settings.catalogue.system(representative.SYSTEM).files[0].kept_days,
        lock_level=next(level for level in norms.LEVELS if norms.controls(law, level).backup_object_lock),
        apart_level=next(level for level in norms.LEVELS if norms.controls(law, level).spread != "none"),
        connections=sizes.CONNECTIONS_MAX,
        past_pool=sizes.CONNECTIONS_PAST_POOL,
        clients=sizes.pool(1)[1],
        pools=_rows([str(pods), *map(str, sizes.pool(pods))] for pods in range(1, _POOLERS + 1)),
        parts=_rows(_part(name, size) for name, size in _PARTS.items()),
    )


_PARTS: Final = {
    "web": sizes.WEB,
    "worker": sizes.WORKER,
    "job": sizes.JOB,
    "schema migration": sizes.SCHEMA,
    "database instance": sizes.DATABASE,
    "connection pooler": sizes.POOLER,
}


def _whole(each: Footprint) -> list[str]:
    return [
        f"{each.web_pods_min}–{each.web_pods_max}",
        str(each.instances),
        *_amount(each.reserved),
        *_amount(each.reserved_max),
        *_amount(each.used_max),
        str(each.pods_max),
        f"{each.volumes}, {_gibibytes(each.storage)}",
        _gibibytes(each.storage_max),
    ]


def _times_of(ratios: list[float]) -> str:
    least, most = f"{min(ratios):g}", f"{max(ratios):g}"
    return least if least == most else f"{least} to {most}"


def _times(each: Footprint, count: int) -> list[str]:
    return [
        *_amount(each.reserved * count),
        *_amount(each.reserved_max * count),
        f"{each.volumes * count}, {_gibibytes(each.storage * count)}",
        _gibibytes(each.storage_max * count),
    ]


def _part(name: str, size: sizes.Size) -> list[str]:
    requested = _amount(Amount(size.cpu_request, size.memory_request))
    limit = _amount(Amount(size.cpu_limit, size.memory_limit))
    return [name, requested[0], limit[0], requested[1], limit[1]]


def _once(name: str, size: sizes.Size) -> dict[str, str]:
    cpu, memory = _amount(Amount(size.cpu_request, size.memory_request))
    return {f"{name}_cpu": cpu, f"{name}_memory": memory}


def _amount(amount: Amount) -> list[str]:
    return [f"{amount.cpu / 1000:g}", _gibibytes(amount.memory)]


def _gibibytes(mebibytes: int) -> str:
    return f"{mebibytes / 1024:.4g} GiB"


def _rows(rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
