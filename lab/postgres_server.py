"""A private PostgreSQL server on the loopback, with the roles and the SQL of a real source or target.

Binaries come from DCSHIFT_TEST_POSTGRES_SOURCE and _TARGET (folders with initdb and postgres), else from what Debian
installed: the oldest server as source, the newest as target. It stops only what it started, by process id.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from lab.command import run
from lab.errors import LabError
from lab.loopback import HOST, as_user, begin, end, unready
from lab.paths import CHECKOUT

INSTALL: Final = CHECKOUT / "playbooks" / "roles" / "postgres_source" / "files" / "dcshift.sql"
REMOVE: Final = INSTALL.with_name("dcshift_remove.sql")
TARGET_ROLE: Final = "dcshift_migration"
_READY_SECONDS_MAX: Final = 120.0
_SLOT_SECONDS_MAX: Final = 120.0
_LOGIN: Final = f"host all all {HOST}/32 scram-sha-256\nhost replication all {HOST}/32 scram-sha-256\n"
Connection = psycopg.Connection[tuple[Any, ...]]


def binaries() -> tuple[Path, Path] | None:
    """Return the folders of both servers' programs, or None when this machine has none."""
    named = [os.environ.get(f"DCSHIFT_TEST_POSTGRES_{side}") for side in ("SOURCE", "TARGET")]
    if all(named):
        return Path(str(named[0])), Path(str(named[1]))
    debian = Path("/usr/lib/postgresql")
    found = sorted((int(p.name), p / "bin") for p in debian.glob("*") if (p / "bin/initdb").exists())
    return (found[0][1], found[-1][1]) if found else None


@dataclass
class PostgresServer:
    """One server, whose roles share one password unless told otherwise."""

    folder: Path
    binaries: Path
    port: int
    password: str = field(repr=False)
    settings: Mapping[str, str]
    """What differs from a fresh server of this version."""
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        """Start it, made first where it is not there. Raises `LabError` when it does not come up."""
        data, log = self.folder / "data", self.folder / "log"
        if not data.exists():
            self.create(data)
        argv = [str(self.binaries / "postgres"), "-D", str(data), "-p", str(self.port)]
        self.process = begin(argv, log, env=_environment(), user=_user())
        if why := unready(self.process, log, self._refused, seconds_max=_READY_SECONDS_MAX):
            self.stop()
            raise LabError(
                "postgres-unready",
                what=f"a PostgreSQL server out of {self.binaries} did not come up on the loopback",
                why=why,
                state="it was stopped; nothing else was changed",
                next="look at the machine's load, then run the same command again",
            )

    def _refused(self) -> str | None:
        try:
            self.admin().close()
        except psycopg.OperationalError as refused:
            return str(refused)
        return None

    def create(self, data: Path) -> None:
        """Make its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        word = self.folder / "password"
        word.touch(mode=0o600)
        word.write_text(self.password)
        if user := _user():
            run(["chown", "-R", user, self.folder])
        words: list[str | Path] = ["setpriv", *as_user(user), "--"] if user else []
        words += [self.binaries / "initdb", "-D", data, "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256"]
        run([*words, "--pwfile", word, "-N"], cwd=Path("/"))
        fixed = {"listen_addresses": HOST, "unix_socket_directories": ""}
        with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in {**fixed, **self.settings}.items())
        (data / "pg_hba.conf").write_text(_LOGIN, encoding="utf-8")

    def stop(self) -> None:
        """End it, and the sessions on it."""
        end(self.process)

    def admin(self, database: str = "postgres", user: str = "postgres") -> Connection:
        """Open a session, of the superuser if not told otherwise, in autocommit."""
        return psycopg.connect(
            host=HOST, port=self.port, dbname=database, user=user, password=self.password, sslmode="disable",
            autocommit=True,
        )  # fmt: skip

    def psql(self, database: str, file: Path, **variables: str) -> None:
        """Run a file as the superuser. Raises `LabError` at its first error."""
        words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        argv = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *words, "-f", str(file)]
        where = {"PGHOST": HOST, "PGPORT": str(self.port), "PGDATABASE": database, "PGUSER": "postgres"}
        run(argv, env={**where, "PGSSLMODE": "disable", "PGPASSWORD": self.password})

    @property
    def major(self) -> int:
        with self.admin() as admin:
            return admin.info.server_version // 10000

    def role(self, name: str, *, password: str | None = None, replication: bool = False) -> None:
        """Make a role that may log in, or give it the password: the server's, if not told otherwise."""
        with self.admin() as admin:
            there = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
            verb = SQL("ALTER" if there else "CREATE")
            more = SQL("REPLICATION" if replication else "")
            words = SQL("{} ROLE {} LOGIN {} PASSWORD {}")
            admin.execute(words.format(verb, Identifier(name), more, Literal(password or self.password)))

    def database(self, name: str) -> None:
        """Make a database anew, empty, that belongs to the role of its name."""
        self.role(name)
        with self.admin() as admin:
            if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                self.let_go(name)
                by_force = admin.info.server_version >= 130000
                if not by_force:
                    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                words = SQL("DROP DATABASE {} WITH (FORCE)" if by_force else "DROP DATABASE {}")
                admin.execute(words.format(Identifier(name)))
            admin.execute(SQL("CREATE DATABASE {0} OWNER {0} TEMPLATE template0").format(Identifier(name)))

    def let_go(self, name: str) -> None:
        """Take away what binds a database to another server: subscriptions here, without asking there, and slots."""
        with self.admin(name) as inside:
            query = "SELECT s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = %s"
            for (subscription,) in inside.execute(query, (name,)).fetchall():
                for words in ("ALTER {} DISABLE", "ALTER {} SET (slot_name = NONE)", "DROP {}"):
                    named = SQL("SUBSCRIPTION {}").format(Identifier(subscription))
                    inside.execute(SQL(words).format(named))
            query = "SELECT slot_name FROM pg_replication_slots WHERE database = %s"
            for (slot,) in inside.execute(query, (name,)).fetchall():
                _drop_slot(inside, slot)

    def install(self, database: str, role: str, password: str | None = None) -> None:
        """Do what the playbook `prepare` does on the source."""
        self.role(role, password=password, replication=True)
        self.psql(database, INSTALL, role=role, owner=database)

    def remove(self, database: str, role: str) -> None:
        """Do what the playbook `rollback` does on the source."""
        self.psql(database, REMOVE, role=role, owner=database)
        with self.admin() as admin:
            admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))

    def let_in(self, database: str) -> None:
        """Give the target's migration role what the declared centre gives it."""
        self.role(TARGET_ROLE, replication=True)
        # Before 16 a subscription was a superuser's.
        more = "GRANT pg_create_subscription TO {}" if self.major >= 16 else "ALTER ROLE {} SUPERUSER"
        with self.admin() as admin:
            admin.execute(SQL("GRANT {} TO {}").format(Identifier(database), Identifier(TARGET_ROLE)))
            admin.execute(SQL(more).format(Identifier(TARGET_ROLE)))


def _drop_slot(inside: Connection, slot: str) -> None:
    """Drop a slot, whoever reads it: who is told to go takes a moment, and a subscriber comes again."""
    deadline = time.monotonic() + _SLOT_SECONDS_MAX
    while True:
        inside.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", (slot,)
        )
        try:
            inside.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _user() -> str | None:
    """Return whom a server must run as: it refuses to be root's."""
    return "postgres" if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    # A subscriber looks for certificates in its user's home: not in that of whoever starts it.
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
