"""The order for a physical move of a whole PostgreSQL server; it holds passwords and is read like any job."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from migration.movers import cluster
from migration.movers import job as jobs
from migration.movers.job import PostgresJob
from migration.movers.link import Endpoint

_SIDES = ("source", "feed")
_ENCRYPTED = ("require", "verify-ca", "verify-full")
SOCKET_BYTES_MAX = 107
"""Longest path of a Unix socket on Linux."""
_PORT_DEFAULT = 5432
_NAME = r"^[a-z0-9_]{1,50}$"


class MovedDatabase(BaseModel):
    """One database of the server, which follows by a slot of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str
    system: str
    """The system that it belongs to: the claim on the target names it."""
    owner: str
    name: str = Field(pattern=_NAME)
    """Name of slot and subscription."""


class PhysicalJob(BaseModel):
    """Everything one physical move needs; it runs on the machine that will be the target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(pattern=r"^[a-z0-9-]{1,20}$")
    token: int
    """Fencing token of the turn that ordered it; source and folder refuse it when a later turn has begun."""
    source: Endpoint
    """Any database of the source, as a role that may replicate and for which each database was prepared."""
    feed: Endpoint
    """The source as the target's server reaches it, for the stream of changes."""
    databases: tuple[MovedDatabase, ...] = Field(min_length=1)
    folder: Path
    """Made by the mover; the target's data directory becomes `data` in it. Nothing else may live there."""
    source_binaries: Path
    """Folder with the programs of the source's major version, on this machine."""
    target_binaries: Path
    """Folder with the programs of the target's, `pg_upgrade` among them."""
    server_user: str | None = None
    """Whom the servers run as: PostgreSQL refuses root. Without it `postgres` if we are root, else whoever we are."""
    settings: dict[str, str] = {}
    """Settings of the target's server, `listen_addresses` and `port` among them; of the source's none is kept."""
    access: tuple[str, ...] = ()
    """Lines of the target's pg_hba.conf; without any, only root and the server's user get in, by a private socket."""
    publication: str = "dcshift"
    limit_file: Path | None = None
    """File with the bytes a second that the base backup may take: read once, when it begins."""
    workers: int = Field(default=2, ge=1, le=16)
    lag_bytes_max: int = Field(default=1_048_576, ge=0)
    slot_seconds_max: float = Field(default=300.0, gt=0)
    """How long the beginning of a slot may wait for transactions that are open."""
    catch_up_seconds_max: float = 3600.0
    copy_seconds_max: float = 12 * 3600.0

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for side in _SIDES:
            endpoint: Endpoint = getattr(self, side)
            if not endpoint.host.startswith("/") and endpoint.tls_mode not in _ENCRYPTED:
                raise ValueError(f"{side} would send citizens' data over a network without TLS")
        if len({d.name for d in self.databases}) < len(self.databases) or len(
            {d.database for d in self.databases}
        ) < len(self.databases):
            raise ValueError("two databases share a name")
        if not self.folder.is_absolute() or len(str(self.run / ".s.PGSQL.50432")) > SOCKET_BYTES_MAX:
            raise ValueError(f"the folder must be absolute, and short enough for a socket ({SOCKET_BYTES_MAX} bytes)")
        return self

    # Where what lies

    @property
    def base(self) -> Path:
        """The copy in the source's version; gone at the end."""
        return self.folder / "base"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """Private folder of the servers' sockets."""
        return self.folder / "run"

    @property
    def user(self) -> str | None:
        return self.server_user or ("postgres" if os.geteuid() == 0 else None)

    @property
    def port(self) -> int:
        return int(self.settings.get("port", _PORT_DEFAULT))

    # Names

    @property
    def program(self) -> str:
        """Name of the mover's own sessions: what is left of a killed one is found by it."""
        return f"dcshift-mover-{self.system}"

    @property
    def physical_slot(self) -> str:
        return f"dcshift_{self.system.replace('-', '_')}_physical"

    @property
    def publishing(self) -> str:
        """Name of the sending side of the standby and of the base backup."""
        return f"dcshift-standby-{self.system}"

    # Sides

    def source_of(self, database: str) -> Endpoint:
        return self.source.model_copy(update={"database": database})

    def target_of(self, database: str, superuser: str) -> Endpoint:
        return cluster.private(self.run, self.port, database, superuser)

    def of(self, moved: MovedDatabase, superuser: str) -> PostgresJob:
        """Return the order for one database, as all that follows the stream knows it."""
        return PostgresJob(
            system=moved.system,
            token=self.token,
            source=self.source_of(moved.database),
            target=self.target_of(moved.database, superuser),
            feed=self.feed.model_copy(update={"database": moved.database}),
            owner=moved.owner,
            name=moved.name,
            publication=self.publication,
            lag_bytes_max=self.lag_bytes_max,
            catch_up_seconds_max=self.catch_up_seconds_max,
        )

    def as_json(self) -> str:
        """Return the whole job with its passwords, for a pipe; never for a log or a file that stays."""
        return json.dumps({**self.model_dump(mode="json"), **{side: getattr(self, side).revealed() for side in _SIDES}})


def read(where: str) -> PhysicalJob:
    """Read a job from a file, or from stdin for `-`; a unit gets it as the secret named `job`."""
    return PhysicalJob.model_validate_json(jobs.text_of(where))
