"""The example province with what a survey and a target would say about it; for tests that need a whole plan."""

from __future__ import annotations

import functools
from pathlib import Path

from catalogue.load import Catalogue, load
from catalogue.system import System
from catalogue.target import (
    Namespaces,
    SecretRef,
    TargetBucket,
    TargetContract,
    TargetDatabase,
    TargetJob,
    TargetWeb,
    TargetWorker,
    written_hash,
)
from migration.model.inventory import (
    DatabaseFacts,
    FilesFacts,
    HostFacts,
    Inventory,
    JobFacts,
    ServiceFacts,
    SystemFacts,
    TableFacts,
    TrafficFacts,
)
from migration.model.plan import Plan
from migration.planner import plan

EXAMPLE = Path(__file__).parents[2] / "catalogue" / "khanh-hoa"
OBSERVED_AT = "2026-11-24T10:00:00Z"
NOW = 1_795_514_400.0
"""The moment of OBSERVED_AT."""


@functools.cache
def catalogue() -> Catalogue:
    return load(EXAMPLE)


@functools.cache
def inventory() -> Inventory:
    hosts = {
        name: HostFacts(
            name=name,
            address=f"198.51.100.{11 + index}",
            distribution="Debian 11.11",
            kernel="6.1.0",
            python="3.9.2",
            memory_bytes=2 << 30,
            disk_free_bytes=50 << 30,
            clock_offset_seconds=0.01,
        )
        for index, name in enumerate(("db1", "app1", "files1", "edge1"))
    }
    systems = {system.id: _facts(system) for system in catalogue().systems}
    return Inventory(observed_at=OBSERVED_AT, hosts=hosts, systems=systems)


def contract(system: System) -> TargetContract:
    ref = SecretRef(namespace=f"httt-{system.id}-data", name="secret", keys=["password"])
    made = TargetContract(
        schema_version=1,
        environment="lab",
        system=system.id,
        stack=system.id,
        catalogue_hash="1" * 64,
        code_hash="2" * 64,
        namespaces=Namespaces(app=f"httt-{system.id}-app", data=f"httt-{system.id}-data"),
        database=TargetDatabase(
            cluster=f"{system.id}-db",
            namespace=f"httt-{system.id}-data",
            host=f"{system.id}-db-rw.httt-{system.id}-data.svc.cluster.local",
            port=5432,
            name=system.id,
            owner=system.id,
            owner_secret=ref,
            migration_role="dcshift_migration",
            migration_secret=ref,
            ca_secret=ref,
            major=17,
            extensions=[],
        ),
        buckets=[
            TargetBucket(
                name=files.name,
                bucket=f"khanhhoa-lab-{system.id}-{files.name}",
                endpoint="http://192.0.2.10:8333",
                region="lab",
                secret=ref,
            )
            for files in system.files
        ],
        web=TargetWeb(
            namespace=f"httt-{system.id}-app",
            deployment=f"{system.id}-web",
            service=f"{system.id}-web",
            route=f"{system.id}-web",
            host=f"{system.web.host}.khanhhoa.example",
            gateway_address="192.0.2.10",
            gateway_port=443,
            image=f"dcshift.local/{system.web.image}:{system.web.release}",
            release=system.web.release,
            health=system.web.health,
            ready=system.web.ready,
            replicas=1,
        ),
        jobs=[
            TargetJob(
                name=job.name,
                namespace=f"httt-{system.id}-app",
                cronjob=f"{system.id}-{job.name}",
                schedule=job.schedule,
            )
            for job in system.jobs
        ],
        workers=[
            TargetWorker(
                name=worker.name,
                namespace=f"httt-{system.id}-app",
                stateful_set=f"{system.id}-worker-{worker.name}",
                replicas=worker.replicas,
            )
            for worker in system.workers
        ],
        limits={},
        readiness=[],
        hash="0" * 64,
    )
    return made.model_copy(update={"hash": written_hash(made)})


@functools.cache
def contracts() -> dict[str, TargetContract]:
    return {system.id: contract(system) for system in catalogue().systems}


@functools.cache
def example_plan(*systems: str) -> Plan:
    return plan(catalogue(), inventory(), contracts(), systems=systems or None)


def _facts(system: System) -> SystemFacts:
    source = system.source
    return SystemFacts(
        database=DatabaseFacts(
            host=source.database.host,
            name=source.database.name,
            owner=system.id,
            server_version="13.23",
            server_version_number=130023,
            encoding="UTF8",
            collation="en_US.UTF-8",
            ctype="en_US.UTF-8",
            size_bytes=400_000_000,
            wal_level="logical",
            max_replication_slots=10,
            replication_slots_used=0,
            max_wal_senders=10,
            extensions=dict.fromkeys(system.database.extensions, "1.0"),
            tables=[
                TableFacts(
                    schema_name="public",
                    name="dossier",
                    rows_estimate=300_000,
                    size_bytes=300_000_000,
                    has_primary_key=True,
                    replica_identity="d",
                )
            ],
            sequences=3,
            large_objects=200,
            materialised_views=1,
            prepared_transactions=0,
            longest_transaction_seconds=0.1,
        ),
        files={
            name: FilesFacts(host=files.host, path=files.path, files=20_000, size_bytes=200_000_000, special_files=[])
            for name, files in source.files.items()
        },
        jobs={
            name: JobFacts(host=job.host, user=job.crontab, line="* * * * * true", armed=True)
            for name, job in source.jobs.items()
        },
        web=ServiceFacts(host=source.web.host, service=source.web.service, active=True, enabled=True),
        workers={
            name: ServiceFacts(host=worker.host, service=worker.service, active=True, enabled=True)
            for name, worker in source.workers.items()
        },
        traffic=TrafficFacts(
            host=source.traffic.host,
            site=source.traffic.site,
            listening_ports=[80, 443],
            server_names=[f"{system.web.host}.khanhhoa.example"],
            certificate_expires="2027-11-24T00:00:00Z",
        ),
    )
