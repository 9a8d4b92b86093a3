"""A source server with two databases, writers that keep a ledger, and the mover that takes it to PostgreSQL 18."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from lab.loopback import HOST
from lab.newest_postgres import programs as programs_18
from migration.movers.link import Endpoint
from migration.movers.physical_job import MovedDatabase, PhysicalJob
from tests.support import killed
from tests.support import local_servers as servers
from tests.support.application import Application
from tests.support.killed import Ended

ROLE = "dcshift_both"
DATABASES = ("portal", "feedback")
FEEDBACK = """
SET ROLE feedback;
CREATE TABLE note (id bigserial PRIMARY KEY, word text NOT NULL, at timestamptz NOT NULL DEFAULT now());
INSERT INTO note (word) SELECT md5(i::text) FROM generate_series(1, 3000) i;
CREATE INDEX note_word ON note (word);
CREATE TABLE visit (at timestamptz NOT NULL, page text NOT NULL);
INSERT INTO visit SELECT now(), 'trang ' || i FROM generate_series(1, 50) i;
RESET ROLE;
"""
LEDGER = "CREATE TABLE ledger (id bigint PRIMARY KEY, word text NOT NULL); ALTER TABLE ledger OWNER TO "


@dataclass
class Source(servers.Server):
    """The source, which lets the stream in by a socket, as PyPI's builds know no TLS."""

    turn: int = 0

    @property
    def sockets(self) -> Path:
        return self.folder / "sockets"

    def create(self, data: Path) -> None:
        self.settings = {**self.settings, "unix_socket_directories": str(self.sockets), "max_wal_senders": "12"}
        super().create(data)
        self.sockets.mkdir()
        subprocess.run(["chown", "postgres", self.sockets], check=True)
        with (data / "pg_hba.conf").open("a") as file:
            file.write("local all all scram-sha-256\n")

    def fill(self) -> None:
        """Make both databases and prepare them as the playbook does."""
        for name, sample in zip(DATABASES, (servers.SAMPLE, FEEDBACK), strict=True):
            self.database(name)
            self.role("reader")
            with self.admin(name) as admin:
                admin.execute(sample.encode())
                admin.execute(f"{LEDGER}{name}".encode())
            self.install(name, ROLE)

    def catalogue(self) -> dict[str, list[Any]]:
        """Return what a move might leave behind."""
        server = {
            "slots": "SELECT slot_name FROM pg_replication_slots",
            "roles": "SELECT rolname, rolreplication, rolconfig::text FROM pg_roles ORDER BY 1",
            "settings": "SELECT setdatabase, setrole, setconfig::text FROM pg_db_role_setting ORDER BY 1, 2",
            "databases": "SELECT datname, datacl::text FROM pg_database ORDER BY 1",
        }
        inside = {
            "publications": "SELECT pubname FROM pg_publication",
            "subscriptions": "SELECT subname FROM pg_subscription",
            "relations": "SELECT relname, relreplident, relacl::text FROM pg_class WHERE oid >= 16384 ORDER BY oid",
            "functions": "SELECT proname FROM pg_proc WHERE oid >= 16384 ORDER BY oid",
            "event triggers": "SELECT evtname FROM pg_event_trigger",
            "extensions": "SELECT extname FROM pg_extension ORDER BY 1",
            "remembered": "SELECT table_name FROM dcshift.identity_before",
        }
        with self.admin() as admin:
            found = {name: admin.execute(query.encode()).fetchall() for name, query in server.items()}
        for database in DATABASES:
            with self.admin(database) as admin:
                found |= {f"{database} {n}": admin.execute(q.encode()).fetchall() for n, q in inside.items()}
        return found

    def job(self, folder: Path, **other: Any) -> PhysicalJob:
        """Return the order to take both databases to `folder`, each time of a later turn."""
        self.turn += 1
        source = Endpoint(
            host=HOST, port=self.port, database="portal", user=ROLE, password=SecretStr(self.password),
            tls_mode="verify-full", tls_root=str(self.folder.parent / "ca.pem"),
        )  # fmt: skip
        by_socket = source.model_copy(update={"host": str(self.sockets), "tls_mode": "disable", "tls_root": None})
        moved = [MovedDatabase(database=d, system=d, owner=d, name=f"dcshift_{d}") for d in DATABASES]
        programs = other.pop("target_binaries", None) or programs_18(self.folder.parent)
        return PhysicalJob(
            **{
                "system": "both", "token": self.turn, "source": source, "feed": by_socket, "databases": tuple(moved),
                "folder": folder, "source_binaries": self.binaries, "target_binaries": programs,
                "settings": {"fsync": "off"}, **other,
            }
        )  # fmt: skip


@dataclass
class Writer(Application):
    """An application of one database: every acknowledged number is remembered."""

    server: servers.Server
    database: str
    acknowledged: list[int] = field(default_factory=list)
    refused: str | None = None

    def _run(self) -> None:
        try:
            self._write()
        except psycopg.Error as failure:
            self.refused = str(failure)

    def _write(self) -> None:
        number = 0
        with self.server.admin(self.database, self.database) as connection:
            while not self._stop.is_set():
                number += 1
                with connection.transaction():
                    connection.execute("INSERT INTO ledger VALUES (%s, md5(%s))", (number, str(number)))
                    if number % 3 == 0:
                        connection.execute("UPDATE ledger SET word = 'sửa' WHERE id = %s", (number - 1,))
                    if number % 10 == 0:  # a table without a key: its updates must not fail for our publication
                        table = "access_log" if self.database == "portal" else "visit"
                        connection.execute(f"UPDATE {table} SET at = now() WHERE ctid = '(0,1)'".encode())
                self.acknowledged.append(number)
                time.sleep(0.003)


def run(
    job: PhysicalJob, folder: Path, *more: str, kill_at: str | None = None, by: signal.Signals = signal.SIGKILL
) -> Ended:
    """Run the mover as a program of its own, and send it a signal in the phase `kill_at`."""
    words = ["--engine", "physical", *more]
    return killed.run("migration.movers.postgres", job.as_json(), folder, words, kill_at=kill_at, by=by)


def connect(job: PhysicalJob, database: str) -> psycopg.Connection[Any]:
    """Open a session with the target's server by its private socket."""
    return psycopg.connect(job.target_of(database, "postgres").conninfo(), autocommit=True)
