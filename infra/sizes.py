"""How much of the target each part may use; quotas are sums of it, so they fit what they limit by construction."""

from __future__ import annotations

import dataclasses
import operator
from dataclasses import dataclass
from typing import Final

from catalogue import demand, volumes
from catalogue.demand import Demand
from catalogue.system import System, mebibytes

DISK: Final = 1024
"""MiB that a container may write on its node: half is /tmp, the rest is for its log, which the kubelet rotates."""
_EPHEMERAL: Final = "ephemeral-storage"
_DATA_DISK: Final = 4096
"""The same around a database: the operator's program lies there, and parts of a backup and of the log on their way."""


@dataclass(frozen=True, slots=True)
class Size:
    """Requests and limits of one pod: thousandths of a CPU, and MiB."""

    cpu_request: int
    cpu_limit: int
    memory_request: int
    memory_limit: int
    disk_limit: int = DISK
    """What it may write on its node, outside of volumes; of that nothing is requested (decision 0036)."""

    def __add__(self, other: Size) -> Size:
        return Size(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))

    def __mul__(self, count: int) -> Size:
        return Size(*(each * count for each in dataclasses.astuple(self)))

    def resources(self) -> dict[str, dict[str, str]]:
        """Return it as a container's `resources`; its disk is said by its namespace's limits, for all of them alike."""
        return {
            "requests": {"cpu": cpu(self.cpu_request), "memory": memory(self.memory_request)},
            "limits": {"cpu": cpu(self.cpu_limit), "memory": memory(self.memory_limit)},
        }

    def quota(self) -> dict[str, str]:
        """Return it as a quota's `hard`."""
        return {
            "requests.cpu": cpu(self.cpu_request),
            "requests.memory": memory(self.memory_request),
            "limits.cpu": cpu(self.cpu_limit),
            "limits.memory": memory(self.memory_limit),
            f"limits.{_EPHEMERAL}": memory(self.disk_limit),
        }


def _size(requested: Demand, *, cpu_limit: int, memory_limit: int, disk_limit: int = DISK) -> Size:
    return Size(requested.cpu, cpu_limit, requested.memory, memory_limit, disk_limit)


# What a pod requests is the catalogue's to say, which adds it up against the capacity; what it may use is said here.
WEB: Final = _size(demand.WEB, cpu_limit=2000, memory_limit=1024)
JOB: Final = _size(demand.JOB, cpu_limit=1000, memory_limit=512)
WORKER: Final = _size(demand.WORKER, cpu_limit=1000, memory_limit=512)
SCHEMA: Final = _size(demand.SCHEMA, cpu_limit=2000, memory_limit=1024)
DATABASE: Final = _size(demand.DATABASE, cpu_limit=2000, memory_limit=1536, disk_limit=_DATA_DISK)
# A namespace has one limit of disk for all of its containers, and the pool shares the database's.
POOLER: Final = _size(demand.POOLER, cpu_limit=500, memory_limit=256, disk_limit=_DATA_DISK)
# One of each for the whole centre; the catalogue does not add them up.
PROMETHEUS: Final = Size(cpu_request=50, cpu_limit=1000, memory_request=256, memory_limit=1024)
ALERTMANAGER: Final = Size(cpu_request=10, cpu_limit=200, memory_request=32, memory_limit=128)
PROMETHEUS_VOLUME: Final = 10 * 1024
"""MiB of measurements."""

BACKUP_DAYS: Final = 30
"""Days that a backup stays: damage that nobody notices at once is found when the figures of the month are made."""

CONNECTIONS_MAX: Final = 100
"""How many connections a database takes."""
CONNECTIONS_PAST_POOL: Final = 30
"""Those of them that a pool leaves to others: superusers' 3, the operator, schema migrations, the copying of a move."""

LOG_AGENT: Final = Size(20, 500, 64, 128)
LOG_RELAY: Final = Size(50, 1000, 96, 384)
LOG_NATIONAL: Final = Size(20, 500, 64, 128)


def web_replicas_max(replicas: int) -> int:
    """Return the upper bound of automatic scaling."""
    return replicas * 2 + 1


def workers_max(system: System) -> int:
    """Return how many pods of workers there may be: all of them, and one of each that is on its way out."""
    return sum(worker.replicas + 1 for worker in system.workers)


def app_pods_max(system: System, replicas: int) -> int:
    """Return how many pods the app namespace may hold: scaled web, one roll-out, jobs with one run just ended."""
    return web_replicas_max(replicas) + 1 + 2 * len(system.jobs) + 1 + workers_max(system)


def files(system: System) -> int:
    """Return the MiB of a system's volumes of files; each is there once, however many pods open it."""
    return sum(mebibytes(each.storage) for each in volumes.of(system) if each.storage)


def app(system: System, replicas: int) -> Size:
    """Return the most that a system's app namespace may use."""
    jobs, workers = JOB * (2 * len(system.jobs)), WORKER * workers_max(system)
    return WEB * (web_replicas_max(replicas) + 1) + jobs + workers + SCHEMA


def data(instances: int, poolers: int = 0) -> Size:
    """Return the most that a system's data namespace may use; one more for the pod that makes or joins an instance.

    Likewise one more of a pool, for the pod that comes in a roll-out; no pool, no more.
    """
    return DATABASE * (instances + 1) + POOLER * (poolers + bool(poolers))


def pool(poolers: int) -> tuple[int, int]:
    """Return how many connections each of so many poolers has to the database, and how many clients it takes.

    In a roll-out as many may still go as have already come, and all of them together must fit: each gets a half. Of
    clients each takes five times the database's connections: four wait behind one, and they do not come evenly.
    """
    return (CONNECTIONS_MAX - CONNECTIONS_PAST_POOL) // (2 * poolers), 5 * CONNECTIONS_MAX


def monitoring() -> Size:
    """Return the most that monitoring may use; each twice, for the pod that goes while the next one comes."""
    return (PROMETHEUS + ALERTMANAGER) * 2


def cpu(millis: int) -> str:
    """Return thousandths of a CPU as Kubernetes itself writes them: what it rewrites would look changed."""
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def memory(mebibytes: int) -> str:
    """Return MiB as Kubernetes itself writes them."""
    return f"{mebibytes}Mi" if mebibytes % 1024 else f"{mebibytes // 1024}Gi"


def container_limits(largest: Size) -> dict[str, object]:
    """Return a namespace's limits: a container that says nothing gets little, none more than the largest we know.

    None of ours says anything of its node's disk: all get its limit from here.
    """
    disk = {_EPHEMERAL: memory(largest.disk_limit)}
    return {
        "type": "Container",
        # A default above the maximum is refused by the API server.
        "default": {"cpu": cpu(min(500, largest.cpu_limit)), "memory": memory(min(256, largest.memory_limit)), **disk},
        # Said to be nothing: left out, it would be the limit, and nodes that do not count their disk take no such pod.
        "defaultRequest": {"cpu": "20m", "memory": "64Mi", _EPHEMERAL: "0"},
        "max": {**largest.resources()["limits"], **disk},
    }
