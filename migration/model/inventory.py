"""What the survey observed at the source; machines write it, nobody edits it."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict


class Observed(BaseModel):
    """Observed facts: unknown keys are refused, so a playbook and this model cannot drift apart silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HostFacts(Observed):
    name: str
    address: str
    distribution: str
    """For example `Debian 11.11`."""
    kernel: str
    python: str
    memory_bytes: int
    disk_free_bytes: int
    clock_offset_seconds: float


class TableFacts(Observed):
    schema_name: str
    name: str
    rows_estimate: int
    size_bytes: int
    has_primary_key: bool
    replica_identity: str
    """`d` default, `n` nothing, `f` full, `i` index: pg_class.relreplident."""


class DatabaseFacts(Observed):
    host: str
    name: str
    owner: str
    server_version: str
    server_version_number: int
    """For example 130023."""
    encoding: str
    collation: str
    ctype: str
    size_bytes: int
    wal_level: str
    max_replication_slots: int
    replication_slots_used: int
    max_wal_senders: int
    extensions: dict[str, str]
    tables: list[TableFacts]
    sequences: int
    large_objects: int
    materialised_views: int
    prepared_transactions: int
    longest_transaction_seconds: float


class LinkFacts(Observed):
    """A symbolic link in a set of files."""

    path: str
    leads_to: str
    """What is written in it."""
    to: str
    """`folder`, `file`, `nothing` or `outside`: what stands there, seen from the set."""


class FilesFacts(Observed):
    host: str
    path: str
    files: int
    size_bytes: int
    special_files: list[str]
    """The first sockets, devices and FIFOs: never moved, always named."""
    special_files_count: int = 0
    links: list[LinkFacts] = []
    """The first symbolic links: never moved, always named."""
    links_count: int = 0
    hard_linked_files: int = 0
    """Regular files that have another name, in the set or beside it."""
    largest: str | None = None
    largest_bytes: int = 0
    """The largest file: an object has a greatest size."""


class JobFacts(Observed):
    host: str
    user: str
    line: str
    armed: bool


class StrayJobFacts(Observed):
    """Something scheduled where a system's jobs are, which no system of the catalogue declares."""

    host: str
    user: str
    where: str
    """`crontab`, a file of /etc, or a timer of systemd."""
    line: str


class ServiceFacts(Observed):
    """A service of systemd: the web process, or a worker."""

    host: str
    service: str
    active: bool
    enabled: bool


class TrafficFacts(Observed):
    host: str
    site: str
    listening_ports: list[int]
    server_names: list[str]
    certificate_expires: str
    """RFC 3339 in UTC."""
    served_names: list[str] = []
    """Names under which the site answers itself; those that only send elsewhere are left out."""
    ipv6_ports: list[int] = []
    default_ports: list[int] = []
    """Ports at which the site also answers for names that nobody has."""
    by_address: list[str] = []
    """Directives of nginx that decide by a client's address."""
    access_logs: list[str] = []
    """Files in which the web server may note a request for the site; logs that are no file are left out."""


class SystemFacts(Observed):
    database: DatabaseFacts
    files: dict[str, FilesFacts]
    jobs: dict[str, JobFacts]
    stray_jobs: list[StrayJobFacts] = []
    web: ServiceFacts
    workers: dict[str, ServiceFacts] = {}
    traffic: TrafficFacts


class Inventory(Observed):
    """One survey of the whole source."""

    observed_at: str
    """RFC 3339 in UTC."""
    hosts: dict[str, HostFacts]
    systems: dict[str, SystemFacts]

    def hash(self) -> str:
        """Return the SHA-256 of the content.

        Only what joined later has a default, and counts where it was seen: an upgrade of the program alone may not make
        the inventory of a plan look altered.
        """
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()
