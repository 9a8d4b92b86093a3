"""Two PostgreSQL servers of this machine, filled and emptied for each program; it measures nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg.sql import SQL, Composed, Identifier
from pydantic import SecretStr

from bench.data import filling
from bench.data.shapes import DATABASE
from lab.errors import LabError
from lab.loopback import HOST, free_ports
from lab.postgres_server import TARGET_ROLE, Connection, PostgresServer, binaries
from migration.movers import claim, identity, link, stream
from migration.movers.job import PostgresJob
from migration.movers.link import Endpoint

SOURCE_ROLE: Final = f"dcshift_{DATABASE}"
SETTINGS: Final = {
    "wal_level": "logical",
    "shared_buffers": "2GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "16GB",
    "autovacuum": "off",
    "max_connections": "50",
}
"""Of both servers, for every program. Autovacuum would add its work to whichever program runs when it wakes up."""

_TABLES: Final = """
SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') ORDER BY 1, 2
"""
# What a copy owes besides rows: it would be the faster for each of these that it left out. From 18 on NOT NULL is a
# constraint, before it was a column's own.
_OWED: Final = """
WITH ours AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_toast')
SELECT (SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid IN (SELECT oid FROM ours)),
    (SELECT count(*) FROM pg_constraint WHERE convalidated AND contype <> 'n' AND conrelid IN (SELECT oid FROM ours)),
    (SELECT coalesce(sum(last_value), 0) FROM pg_sequences WHERE schemaname <> 'dcshift'),
    (SELECT count(*) FROM pg_largeobject_metadata),
    (SELECT coalesce(sum(length(data)), 0) FROM pg_largeobject)
"""
_OWED_NAMES: Final = ("indexes", "constraints", "sum of sequences", "large objects", "bytes of large objects")


@dataclass(frozen=True, slots=True)
class Census:
    """What a database holds, counted without any of the proofs that are measured."""

    tables: dict[str, int]
    """Rows of every table."""
    owed: dict[str, int]
    """Everything else that a copy must have."""

    @property
    def rows(self) -> int:
        return sum(self.tables.values())

    def lacks(self, copy: Census) -> list[str]:
        """Say how a copy differs."""
        here, there = {**self.tables, **self.owed}, {**copy.tables, **copy.owed}
        names = sorted(here.keys() | there.keys())
        return [f"{n}: {here.get(n)} and {there.get(n)}" for n in names if here.get(n) != there.get(n)]


@dataclass(frozen=True, slots=True)
class Databases:
    """A running source, filled, and a running target."""

    source: PostgresServer
    target: PostgresServer
    pass_file: Path
    sockets: Path
    """Folder of the source's socket."""

    def pids(self) -> list[int]:
        """Return both servers."""
        return [self.source.process.pid, self.target.process.pid]

    def fresh(self, *, ours: bool) -> None:
        """Make the target's database anew, and let our mover in, or nobody: others would copy what is ours."""
        self.target.database(DATABASE)
        if ours:
            self.source.install(DATABASE, SOURCE_ROLE)
            self.target.let_in(DATABASE)

    def release(self) -> None:
        """Take away what our mover leaves to follow the source."""
        job = self.job(superuser=True)
        with link.session(job.source, program="bench") as source, link.session(job.target, program="bench") as target:
            stream.drop_subscription(target, job.name)
            stream.drop_slot(source, job.name)
            link.run(source, f"DROP PUBLICATION IF EXISTS {job.publication}")
            identity.put_back(source)
            claim.leave(target)
        self.source.remove(DATABASE, SOURCE_ROLE)

    def settle(self) -> None:
        """Have the target write down all that it holds."""
        with self.target.admin() as admin:
            admin.execute("CHECKPOINT")
        os.sync()

    def job(self, *, superuser: bool) -> PostgresJob:
        """Return the order for our mover, or for a proof, which looks as whoever may see everything."""
        here, there = ("postgres", "postgres") if superuser else (SOURCE_ROLE, TARGET_ROLE)
        source = endpoint(self.source, here)
        return PostgresJob(
            system=DATABASE, token=1, source=source, target=endpoint(self.target, there), feed=source,
            owner=DATABASE, name=SOURCE_ROLE,
        )  # fmt: skip

    def url(self, server: PostgresServer) -> str:
        """Return how the programs of others are told a database; the password is in a file."""
        return f"postgresql://postgres@{HOST}:{server.port}/{DATABASE}"


@contextlib.contextmanager
def running(folder: Path, size_bytes: int) -> Iterator[Databases]:
    """Start both, the source filled; what they wrote is gone at the end.

    Raises `LabError` when this machine has no server.
    """
    found = binaries()
    if found is None:
        raise LabError(
            "no-postgres",
            what="the bench has no database to move",
            why="/usr/lib/postgresql has no server's programs",
            state="nothing was started",
            next="apt-get install postgresql   (or name the folders: DCSHIFT_TEST_POSTGRES_SOURCE and _TARGET)",
        )
    password, ports, pass_file, sockets = secrets.token_hex(20), free_ports(2), folder / "pass", folder / "sockets"
    sockets.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(sockets, "postgres")
    settings = {**SETTINGS, "unix_socket_directories": str(sockets)}
    source = PostgresServer(folder / "source", found[0], ports[0], password, settings)
    target = PostgresServer(folder / "target", found[1], ports[1], password, SETTINGS)
    with contextlib.ExitStack() as stack:
        for server in (source, target):
            stack.callback(shutil.rmtree, server.folder, ignore_errors=True)
        stack.enter_context(filling.filled(source, size_bytes))
        target.start()
        stack.callback(target.stop)
        pass_file.touch(mode=0o600)
        pass_file.write_text(endpoint(source, "*").pass_line() + endpoint(target, "*").pass_line())
        yield Databases(source, target, pass_file, sockets)


def census(admin: Connection) -> Census:
    """Count everything in a database."""
    names = admin.execute(_TABLES).fetchall()
    count = SQL("SELECT count(*) FROM {}")
    rows = {(schema, name, kind): _one(admin, count.format(Identifier(schema, name))) for schema, name, kind in names}
    owed = admin.execute(_OWED).fetchone()
    assert owed is not None
    tables = {f"{schema}.{name}": found for (schema, name, kind), found in rows.items() if kind == "r"}
    views = {f"rows of view {schema}.{name}": found for (schema, name, kind), found in rows.items() if kind == "m"}
    return Census(tables, {**views, **dict(zip(_OWED_NAMES, map(int, owed), strict=True))})


def size_bytes(admin: Connection) -> int:
    """Return how large a database is on the disk."""
    return _one(admin, SQL("SELECT pg_database_size(current_database())"))


def _one(admin: Connection, query: SQL | Composed) -> int:
    found = admin.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def endpoint(server: PostgresServer, user: str) -> Endpoint:
    """Return a server as a mover reaches it."""
    password = SecretStr(server.password)
    return Endpoint(host=HOST, port=server.port, database=DATABASE, user=user, password=password, tls_mode="disable")
