"""The server that our mover makes out of the source's files, for as long as it is looked at; it measures nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.data.databases import SETTINGS, SOURCE_ROLE, Databases, endpoint
from bench.data.shapes import DATABASE
from lab.command import run
from lab.loopback import free_ports
from lab.paths import CHECKOUT
from lab.postgres_server import Connection
from migration.movers import cluster
from migration.movers.physical_job import MovedDatabase, PhysicalJob


@dataclass(frozen=True, slots=True)
class WholeServer:
    """The order for it, and the server once it is there."""

    at: Databases
    job: PhysicalJob
    order: Path
    """The order as a private file."""

    @property
    def argv(self) -> list[str]:
        """Return the words that make it."""
        return [
            sys.executable, "-m", "migration.movers.postgres", "--engine", "physical", "--job", str(self.order),
        ]  # fmt: skip

    def pids(self) -> list[int]:
        """Return the source, and the copy if it serves already."""
        copy = cluster.server_of(self.job.data)
        return [self.at.source.process.pid, *([copy] if copy is not None else [])]

    def admin(self) -> Connection:
        """Open a session with the copy, by its private socket."""
        return psycopg.connect(self.job.target_of(DATABASE, "postgres").conninfo(), autocommit=True)

    def settle(self) -> None:
        """Have the copy write down all that it holds."""
        with self.admin() as admin:
            admin.execute("CHECKPOINT")
        os.sync()


@contextlib.contextmanager
def wanted(at: Databases, scratch: Path, programs: Path) -> Iterator[WholeServer]:
    """Prepare the source as the playbook does, and take everything away at the end: the copy, its slots, the role."""
    scratch.chmod(0o755)  # the servers run as another user; the order in it is private
    source = endpoint(at.source, SOURCE_ROLE).model_copy(update={"host": str(at.sockets)})
    (port,) = free_ports(1)
    job = PhysicalJob(
        system=DATABASE, token=1, source=source, feed=source, folder=scratch / "whole",
        databases=(MovedDatabase(database=DATABASE, system=DATABASE, owner=DATABASE, name=SOURCE_ROLE),),
        source_binaries=at.source.binaries, target_binaries=programs, settings={**SETTINGS, "port": str(port)},
    )  # fmt: skip
    order = scratch / "whole.json"
    order.touch(mode=0o600)
    order.write_text(job.as_json(), encoding="utf-8")
    whole = WholeServer(at, job, order)
    at.source.install(DATABASE, SOURCE_ROLE)
    try:
        yield whole
    finally:
        try:
            run([*whole.argv, "--undo"], env={"PYTHONPATH": str(CHECKOUT)})
        finally:
            cluster.stop(job.data)  # whatever an undo that failed left
        at.source.remove(DATABASE, SOURCE_ROLE)
