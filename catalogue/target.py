"""The target contract: what Pulumi provided for one system, versioned and free of secrets; only references to them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from catalogue.system import AbsolutePath, Id, Strict

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SecretRef(Strict):
    """Where a secret lies in the cluster; never its value."""

    namespace: str
    name: str
    keys: list[str]


class Namespaces(Strict):
    app: str
    data: str


class TargetBackup(Strict):
    """Where the database's backups lie, and where one may be restored for a trial."""

    bucket: str
    drill_namespace: str
    restore_secret: SecretRef
    """Keys that can only read this one bucket."""


class TargetDatabase(Strict):
    """The system's PostgreSQL cluster (CloudNativePG)."""

    cluster: str
    namespace: str
    host: str
    """Name of the read-write service inside the cluster."""
    port: int
    name: str
    owner: str
    owner_secret: SecretRef
    migration_role: str
    """Role that may create the subscription and become the owner, and nothing else."""
    migration_secret: SecretRef
    ca_secret: SecretRef
    major: int
    extensions: list[str]
    backup: TargetBackup | None = None
    """Missing in contracts of a stack that is older than backups."""
    pooler: str | None = None
    """Deployment of the pool through which the application comes; `host` leads past it. None: it comes by `host`."""


class TargetBucket(Strict):
    name: Id
    bucket: str
    endpoint: str
    region: str
    secret: SecretRef


class TargetVolume(Strict):
    """A set of files that lies on a volume, where the system's pods open it by its path."""

    name: Id
    namespace: str
    claim: str
    path: AbsolutePath
    access: str
    """`many-pods` or `one-pod`; a word that joins later is read by older programs, too."""
    storage: str


class TargetWeb(Strict):
    namespace: str
    deployment: str
    service: str
    route: str
    host: str
    """Public host name."""
    gateway_address: str
    gateway_port: int
    image: str
    release: str
    health: AbsolutePath
    ready: AbsolutePath
    replicas: int


class TargetJob(Strict):
    name: Id
    namespace: str
    cronjob: str
    schedule: str


class TargetWorker(Strict):
    name: Id
    namespace: str
    stateful_set: str
    replicas: int
    """How many work where the system is served; elsewhere none."""


class Readiness(Strict):
    """One question whose answer tells that a part is usable."""

    name: str
    probe: str
    expect: str


class TargetContract(Strict):
    """Everything the migration may know of the target of one system.

    Additive within a schema version. `hash` covers all other fields; a plan pins it.
    """

    schema_version: Literal[1]
    environment: Id
    system: Id
    stack: str
    catalogue_hash: Sha256
    code_hash: Sha256
    namespaces: Namespaces
    database: TargetDatabase
    buckets: list[TargetBucket]
    web: TargetWeb
    jobs: list[TargetJob]
    workers: list[TargetWorker] = Field(default_factory=list)
    """Empty also in contracts of a stack that is older than workers."""
    volumes: list[TargetVolume] = Field(default_factory=list)
    """Empty also in contracts of a stack that is older than volumes."""
    limits: dict[str, str]
    readiness: list[Readiness]
    level: Annotated[int, Field(ge=1, le=5)] | None = None
    """The security level that the target was built for; missing in contracts of a stack that did not say it yet."""
    norms: str | None = None
    """The set of norms by which that level was read."""
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def written_hash(contract: TargetContract) -> str:
    """Return the hash of a contract over the parts that it was written with.

    A part that joined the schema later is missing in an older stack's contract, and missing is not the same as none:
    with its default the older contract would not have the hash that it states.
    """
    return contract_hash(contract.model_dump(mode="json", exclude_unset=True))


_JOINED_LATER: Final[dict[str, object]] = {"workers": [], "volumes": [], "level": None, "norms": None}
"""Parts that older contracts do not have, with what that means: so they count only where they say something."""


def contract_hash(content: dict[str, object]) -> str:
    """Return the SHA-256 of a contract's content without its own `hash`, over sorted JSON."""
    covered = {
        key: value
        for key, value in content.items()
        if key != "hash" and not (key in _JOINED_LATER and value == _JOINED_LATER[key])
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
