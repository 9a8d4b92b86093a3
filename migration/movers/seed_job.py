"""The order for a server that becomes a CloudNativePG cluster; it holds passwords and is read like any job."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from catalogue import seeding
from migration.movers import job as jobs
from migration.movers.physical_job import PhysicalJob

_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_OURS: Final = ("listen_addresses", "ssl", "ssl_cert_file", "ssl_key_file", "wal_level", "max_wal_senders")


class ClusterPlace(BaseModel):
    """The cluster that shall begin from the copy; whoever owns it declares it (docs/physical.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kubeconfig: Path
    namespace: str = Field(pattern=_LABEL)
    name: str = Field(pattern=_LABEL)
    image: str
    """The PostgreSQL image that it will run: it is asked before anything is copied."""
    address: ipaddress.IPv4Address
    """Where its pods reach this machine."""
    clients: tuple[ipaddress.IPv4Network, ...] = Field(min_length=1)
    """Where they come from, as this machine sees it: nobody else may read the copy."""
    appear_seconds_max: float = Field(default=3600.0, gt=0)
    """How long we wait for somebody to declare it."""
    ready_seconds_max: float = Field(default=6 * 3600.0, gt=0)

    @property
    def secret(self) -> str:
        return seeding.secret(self.name)


class SeedJob(BaseModel):
    """Everything that one server's way into a cluster needs; it runs on a machine beside the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: PhysicalJob
    """The physical move to this machine, whose server is left as soon as the cluster has its files."""
    cluster: ClusterPlace

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        server = self.server
        if server.access or (taken := sorted(set(_OURS) & server.settings.keys())):
            what = "access" if server.access else ", ".join(taken)
            raise ValueError(f"server: {what} is not to be given; the copy is opened to the cluster alone")
        if len({moved.system for moved in server.databases}) > 1:
            raise ValueError("the databases are of several systems; a cluster belongs to one")
        if server.feed.host.startswith("/") or server.feed.tls_root:
            raise ValueError("feed: the cluster's pods know no socket and no file of this machine")
        return self

    def as_json(self) -> str:
        """Return the whole job with its passwords, for a pipe; never for a log or a file that stays."""
        return json.dumps(
            {"server": json.loads(self.server.as_json()), "cluster": self.cluster.model_dump(mode="json")}
        )


def read(where: str) -> SeedJob:
    """Read a job from a file, or from stdin for `-`; a unit gets it as the secret named `job`."""
    return SeedJob.model_validate_json(jobs.text_of(where))
