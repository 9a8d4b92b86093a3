"""What a database declares about who may come, between the operator's own lines, on a real server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lab.loopback import free_ports
from tests.support import local_servers as servers
from tests.support.declared import built_once

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
OPERATORS_FIRST = ("local all all peer map=local", "hostssl all cnpg_pooler_pgbouncer all cert")
OPERATORS_LAST = ("host all all all scram-sha-256",)
"""What CloudNativePG (1.30, pkg/postgres/configuration.go) writes before and behind what a Cluster declares."""


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    # Not below pytest's own folder: the server runs as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as made:
        folder, found = Path(made), servers.binaries()
        assert found is not None
        folder.chmod(0o755)
        started = servers.Server(folder / "target", found[1], free_ports(1)[0])
        started.start()
        try:
            started.database("portal")
            yield started
        finally:
            started.stop()


@contextmanager
def doors(server: servers.Server, declared: list[str]) -> Iterator[None]:
    """Have the server let in whom the operator's lines and these do; then as before."""
    file = server.folder / "data" / "pg_hba.conf"
    before, mark = file.read_text(), f"read-{time.monotonic_ns()}"
    with server.admin() as admin:  # opened before: it comes unencrypted
        try:
            file.write_text(
                "\n".join((f"host all {mark} all reject", *OPERATORS_FIRST, *declared, *OPERATORS_LAST, ""))
            )
            admin.execute("SELECT pg_reload_conf()")
            faults = "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL"
            assert admin.execute(faults).fetchall() == []
            until_read(server, mark)
            yield
        finally:
            file.write_text(before)
            admin.execute("SELECT pg_reload_conf()")


def until_read(server: servers.Server, mark: str) -> None:
    """Wait until the server knows the line about a user that is nobody: it answers before it has read its file."""
    end = time.monotonic() + 120
    while True:
        with pytest.raises(psycopg.OperationalError) as refused:
            is_encrypted(server, "disable", user=mark)
        if "rejects connection" in str(refused.value):
            return
        assert time.monotonic() < end, refused.value
        time.sleep(0.05)


def is_encrypted(server: servers.Server, sslmode: str, **more: str) -> bool:
    """Open a session, as the application's owner if not told otherwise. Raises `psycopg.OperationalError`."""
    at = {"host": "127.0.0.1", "port": str(server.port), "dbname": "portal", "user": "portal", **more}
    with psycopg.connect(**at, password=servers.PASSWORD, sslmode=sslmode) as session:
        row = session.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    return bool(row and row[0])


def test_the_operators_lines_alone_let_in_who_comes_unencrypted(server: servers.Server) -> None:
    """The danger."""
    with doors(server, []):
        assert is_encrypted(server, "disable") is False


@pytest.mark.parametrize("system", ["portal", "feedback"])
def test_a_declared_database_lets_in_the_encrypted_alone(server: servers.Server, system: str) -> None:
    (cluster,) = [
        each.inputs for each in built_once("data").of("Cluster") if each.inputs["metadata"]["name"] == f"{system}-db"
    ]
    with doors(server, cluster["spec"]["postgresql"]["pg_hba"]):
        assert is_encrypted(server, "require") is True
        with pytest.raises(psycopg.OperationalError, match="rejects connection"):
            is_encrypted(server, "disable")
        # Nor does it hand its log to anybody unencrypted: no line is for that, and none is no.
        with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
            is_encrypted(server, "disable", replication="true")
