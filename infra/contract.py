"""Builds the target contract of a system and checks it before anyone reads it; it holds references, never secrets."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any, Final

import jsonschema

from catalogue import volumes
from catalogue.probes import Condition, Page
from catalogue.schemas import path as schema_path
from catalogue.system import Files, System
from catalogue.target import (
    Namespaces,
    Readiness,
    SecretRef,
    TargetBackup,
    TargetBucket,
    TargetContract,
    TargetDatabase,
    TargetJob,
    TargetVolume,
    TargetWeb,
    TargetWorker,
    contract_hash,
)
from infra import naming, sizes, workload
from infra.config import Settings

_PLACEHOLDER: Final = "0" * 64
_ROOT: Final = Path(__file__).resolve().parent


def build(settings: Settings) -> dict[str, Any]:
    """Return the contract of the stack's system. Raises `jsonschema.ValidationError` if it does not fit its schema."""
    province, system = settings.catalogue.province, settings.system
    app, data = naming.app_namespace(system.id), naming.data_namespace(system.id)
    contract = TargetContract(
        schema_version=1,
        environment=province.environment,
        system=system.id,
        stack=settings.stack,
        catalogue_hash=settings.catalogue.hash,
        code_hash=code_hash(),
        namespaces=Namespaces(app=app, data=data),
        database=_database(settings),
        buckets=[
            TargetBucket(
                name=files.name,
                bucket=workload.bucket(settings, files.name),
                endpoint=province.target.object_store,
                region=province.target.region,
                secret=SecretRef(
                    namespace=app,
                    name=naming.bucket_secret(system.id, files.name),
                    keys=["access_key", "secret_key"],
                ),
            )
            for files in volumes.buckets(system)
        ],
        web=TargetWeb(
            namespace=app,
            deployment=naming.web(system.id),
            service=naming.web(system.id),
            route=naming.web(system.id),
            host=workload.public_host(settings),
            gateway_address=province.target.zone(system.exposure).gateway_address,
            gateway_port=443,
            image=workload.image(settings),
            release=settings.deployed_release,
            health=system.web.health,
            ready=system.web.ready,
            replicas=settings.replicas(system),
        ),
        jobs=[
            TargetJob(name=job.name, namespace=app, cronjob=naming.job(system.id, job.name), schedule=job.schedule)
            for job in system.jobs
        ],
        workers=[
            TargetWorker(
                name=worker.name,
                namespace=app,
                stateful_set=naming.worker(system.id, worker.name),
                replicas=worker.replicas,
            )
            for worker in system.workers
        ],
        volumes=[_volume(system, files) for files in volumes.of(system)],
        limits={
            **sizes.app(system, settings.replicas(system)).quota(),
            "database.storage": system.database.storage,
        },
        readiness=_readiness(settings),
        level=system.level,
        norms=province.norms,
        hash=_PLACEHOLDER,
    )
    content: dict[str, Any] = contract.model_dump(mode="json", by_alias=True)
    content["hash"] = contract_hash(content)
    _validator().validate(content)
    return content


@functools.cache
def _validator() -> Any:
    schema = json.loads(schema_path("target").read_text(encoding="utf-8"))
    chosen = jsonschema.validators.validator_for(schema)
    chosen.check_schema(schema)
    return chosen(schema)


def _database(settings: Settings) -> TargetDatabase:
    system, province = settings.system, settings.catalogue.province
    data = naming.data_namespace(system.id)
    login = ["username", "password"]
    return TargetDatabase(
        cluster=naming.cluster(system.id),
        namespace=data,
        host=naming.database_host(system.id),
        port=5432,
        name=system.id,
        owner=system.id,
        owner_secret=SecretRef(namespace=data, name=naming.owner_secret(system.id), keys=login),
        migration_role=naming.MIGRATION_ROLE,
        migration_secret=SecretRef(namespace=data, name=naming.migration_secret(system.id), keys=login),
        ca_secret=SecretRef(namespace=data, name=naming.ca_secret(system.id), keys=["ca.crt"]),
        major=system.database.major,
        extensions=list(system.database.extensions),
        pooler=naming.pooler(system.id) if system.database.pooler else None,
        backup=TargetBackup(
            bucket=naming.backup_bucket(province.id, province.environment, system.id),
            drill_namespace=naming.DRILLS,
            restore_secret=SecretRef(
                namespace=naming.DRILLS,
                name=naming.restore_secret(system.id),
                keys=["access_key", "secret_key"],
            ),
        ),
    )


def _volume(system: System, files: Files) -> TargetVolume:
    assert files.storage is not None, "the catalogue refuses a volume without a size"
    return TargetVolume(
        name=files.name,
        namespace=naming.app_namespace(system.id),
        claim=naming.claim(system.id, files.name),
        path=volumes.path(system, files),
        access=files.access,
        storage=files.storage,
    )


def _readiness(settings: Settings) -> list[Readiness]:
    system = settings.system
    app, data = naming.app_namespace(system.id), naming.data_namespace(system.id)
    database = Condition("Ready", "clusters", "postgresql.cnpg.io", data, naming.cluster(system.id))
    route = Condition("Accepted", "httproutes", "gateway.networking.k8s.io", app, naming.web(system.id))
    return [
        Readiness(name="database", probe=str(database), expect="True"),
        Readiness(name="route", probe=str(route), expect="True"),
        Readiness(name="web", probe=str(Page(workload.public_host(settings), system.web.health)), expect="200"),
    ]


def code_hash() -> str:
    """Return the SHA-256 over the source of this package, by path: what else the contract came from."""
    total = hashlib.sha256()
    for file in sorted(_ROOT.rglob("*.py")):
        total.update(f"{file.relative_to(_ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()
