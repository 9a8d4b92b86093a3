"""What a system reserves of the target's capacity, and whether everything fits; it reserves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from catalogue.controls import Controls
from catalogue.system import QUOTAS, Quota, System, mebibytes


@dataclass(frozen=True, slots=True)
class Demand:
    """Thousandths of a CPU, and MiB of memory and storage."""

    cpu: int = 0
    memory: int = 0
    storage: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(self.cpu + other.cpu, self.memory + other.memory, self.storage + other.storage)

    def __mul__(self, count: int) -> Demand:
        return Demand(self.cpu * count, self.memory * count, self.storage * count)


# What one pod of each part requests; the declared centre takes these figures from here.
WEB: Final = Demand(cpu=50, memory=256)
JOB: Final = Demand(cpu=20, memory=128)
WORKER: Final = Demand(cpu=20, memory=128)
SCHEMA: Final = Demand(cpu=50, memory=256)
DATABASE: Final = Demand(cpu=100, memory=384)
POOLER: Final = Demand(cpu=20, memory=96)


def web_pods(system: System, controls: Controls | None) -> int:
    """Return how many web pods a system has: its file's number, and with controls at least theirs."""
    return max(system.web.replicas, controls.replicas_min if controls else 1)


def of_system(system: System, controls: Controls | None = None) -> Demand:
    """Return what a system reserves at most: scaled web with one roll-out, jobs twice, one instance that joins,
    likewise the pool of connections with one roll-out, and workers with one of each that is still ending.

    With controls, replicas and instances are at least what they ask for; without, what the file says and one instance.
    """
    replicas = web_pods(system, controls)
    instances = controls.postgres_instances_min if controls else 1
    poolers = (controls.replicas_min if controls else 1) + 1 if system.database.pooler else 0
    volumes = sum(mebibytes(files.storage) for files in system.files if files.storage)
    web = WEB * (replicas * 2 + 2)
    jobs = JOB * (2 * len(system.jobs)) + WORKER * sum(worker.replicas + 1 for worker in system.workers)
    stored = Demand(storage=mebibytes(system.database.storage) * instances + volumes)
    return web + jobs + SCHEMA + DATABASE * (instances + 1) + POOLER * poolers + stored


def of_quota(quota: Quota | str) -> Demand:
    """Return a quota, also one of the named sizes."""
    size = QUOTAS[quota] if isinstance(quota, str) else quota
    return Demand(size.cpu * 1000, mebibytes(size.memory), mebibytes(size.storage))


def excess(asked: Demand, has: Demand) -> list[str]:
    """Return a phrase for each resource of which more is asked than there is."""
    found = []
    for what, wanted, given, unit in (
        ("CPU", asked.cpu, has.cpu, "m"),
        ("memory", asked.memory, has.memory, "Mi"),
        ("storage", asked.storage, has.storage, "Mi"),
    ):
        if wanted > given:
            found.append(f"{wanted}{unit} of {what} where there is {given}{unit}")
    return found
