"""Debian's pgbouncer with the declared parameters, between clients and a real server that the move turns meanwhile."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from lab import pgbouncer
from lab.errors import LabError
from lab.loopback import free_ports
from migration.adapters import database_target
from migration.movers import link
from migration.movers.link import Connection
from tests.support import local_servers as servers
from tests.support.declared import built_once

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]


@dataclass
class Pool:
    """A pool in front of one server; it can be started anew."""

    server: servers.Server
    port: int

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname="portal", user="portal", password=servers.PASSWORD,
            sslmode="require", connect_timeout=60, autocommit=True,
        )  # fmt: skip

    def shown(self, setting: str) -> str:
        with self.connect() as session:
            (value,) = session.execute(f"SHOW {setting}".encode()).fetchone() or ("",)
        return str(value)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it; it gives up root by itself."""
        with tempfile.TemporaryDirectory(prefix="dcshift-pool-") as made:
            folder, word = Path(made), servers.PASSWORD.replace('"', '""')
            folder.chmod(0o755)
            (folder / "users").write_text(f'"portal" "{word}"\n')
            (folder / "pgbouncer.ini").write_text(self._configuration(folder))
            with (folder / "log").open("w") as log:
                process = subprocess.Popen(pgbouncer.argv(folder / "pgbouncer.ini"), stderr=log, stdout=log)
            try:
                self._wait(process, folder / "log")
                yield
            finally:
                process.terminate()
                process.wait(120)

    def _configuration(self, folder: Path) -> str:
        (pooler,) = [each.inputs["spec"]["pgbouncer"] for each in built_once("data").of("Pooler")]
        data = self.server.folder / "data"
        told = {
            **pooler["parameters"],
            "pool_mode": pooler["poolMode"],
            "user": "postgres",
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": folder / "users",
            "server_tls_sslmode": "require",
            "client_tls_cert_file": data / "server.crt",
            "client_tls_key_file": data / "server.key",
        }
        lines = "\n".join(f"{key} = {value}" for key, value in told.items())
        return f"[databases]\n* = host=127.0.0.1 port={self.server.port}\n[pgbouncer]\n{lines}\n"

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.1)


@pytest.fixture
def pool(pair: Pair) -> Pool:
    try:
        pgbouncer.argv(Path("/"))
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    servers.new_databases(*pair, "portal", "CREATE TABLE nothing ()")
    with pair[1].admin("portal", "portal") as owner:
        owner.execute("CREATE TABLE written (at timestamptz DEFAULT now())")
    return Pool(pair[1], free_ports(1)[0])


@pytest.fixture
def target(pool: Pool) -> Iterator[Connection]:
    with link.session(pool.server.endpoint("portal", "dcshift_migration"), program="test") as session:
        yield session
        database_target.set_read_only(session, "portal", False)


def test_what_closes_and_opens_the_target_reaches_the_sessions_that_a_pool_keeps(
    pool: Pool, target: Connection
) -> None:
    with pool.running():
        assert pool.shown("default_transaction_read_only") == "off"
        assert database_target.set_read_only(target, "portal", True) == 1, "the pool keeps the session of who has gone"
        assert pool.shown("default_transaction_read_only") == "on"
        with pool.connect() as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("INSERT INTO written DEFAULT VALUES")
        database_target.set_read_only(target, "portal", False)
        with pool.connect() as session:
            session.execute("INSERT INTO written DEFAULT VALUES")


def test_who_asks_a_database_that_is_away_waits_and_is_served_within_seconds_of_its_return(pool: Pool) -> None:
    """After one refused login pgbouncer makes no other for a while, by default longer than a cut may hold requests."""
    with pool.running(), ThreadPoolExecutor(1) as citizen:
        pool.server.stop()
        try:
            asked = citizen.submit(written, pool)
            with pytest.raises(TimeoutError):
                asked.result(2)
        finally:
            pool.server.start()
        # Its default of 15 s is what must not be waited for.
        assert asked.result(10), "the pool refused who had waited"


def written(pool: Pool) -> bool:
    try:
        with pool.connect() as session:
            session.execute("INSERT INTO written DEFAULT VALUES")
    except psycopg.Error:
        return False
    return True


def test_a_pool_gives_sessions_the_zone_that_its_first_one_had_until_it_is_started_anew(
    pool: Pool, target: Connection
) -> None:
    """Why `dcshift check` names such settings: the server says otherwise, and nobody is told."""
    with pool.running():
        before = pool.shown("timezone")
        with pool.server.admin("portal", "portal") as owner:
            owner.execute("ALTER ROLE portal IN DATABASE portal SET timezone = 'Asia/Ho_Chi_Minh'")
        database_target.set_read_only(target, "portal", False)
        assert pool.shown("timezone") == before
        assert before != "Asia/Ho_Chi_Minh"
    with pool.running():
        assert pool.shown("timezone") == "Asia/Ho_Chi_Minh"
    with pool.server.admin("portal", "portal") as owner:
        owner.execute("ALTER ROLE portal IN DATABASE portal RESET timezone")
