"""The source's database alone, on a real server, while the target is dead: is it at rest, and does its fence open?"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from lab.loopback import free_ports
from migration.adapters.clock import SystemClock
from migration.adapters.database import PostgresMove
from migration.adapters.postgres import Place, moment
from migration.errors import StepFailed
from migration.model.words import ProbeState
from migration.movers import link, stream
from tests.support import local_servers as servers
from tests.support.moving import database_move

pytestmark = pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here")
TABLES = """
CREATE TABLE dossier (id integer PRIMARY KEY, name text);
INSERT INTO dossier VALUES (1, 'một'), (2, 'hai');
CREATE TABLE "Hồ sơ" (id integer PRIMARY KEY);
GRANT CONNECT ON DATABASE portal TO reader;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    found = servers.binaries()
    assert found is not None
    # Not below pytest's own folder: the server runs as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        made = servers.Server(Path(folder) / "source", found[0], free_ports(1)[0])
        made.start()
        yield made
        made.stop()


@pytest.fixture
def move(server: servers.Server, tmp_path: Path) -> PostgresMove:
    """A portal in the freeze, after the hand-over: fenced, and nobody reads the slot any more; the target is dead."""
    servers.new_databases(server, server, "portal", TABLES)
    dead = servers.Server(server.folder, server.binaries, free_ports(1)[0])
    made = database_move(server, dead, tmp_path)
    server.install("portal", made._name, made._access.make_source_password())
    with made._at.source() as source:
        link.run(source, "SELECT dcshift.take_turn(1)")
    with server.admin("portal") as admin:
        stream.publish(admin, "dcshift")
        admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (made._name,))
        # Applied by the target before the marker, but not confirmed to the slot before it stopped following.
        admin.execute("INSERT INTO dossier VALUES (3, 'the last citizen')")
    with made._at.source() as source:
        link.run(source, "SELECT dcshift.fence(1)")
        stream.mark(source)
    return made


def test_a_fenced_source_that_nobody_touched_is_at_rest_and_is_asked_in_milliseconds(move: PostgresMove) -> None:
    began = time.monotonic()
    answer = move.at_rest()
    assert answer.state is ProbeState.DONE, answer.sentence
    print(f"{1000 * (time.monotonic() - began):.1f} ms")


def test_a_superuser_who_is_inside_is_seen(move: PostgresMove, server: servers.Server) -> None:
    with server.admin("portal"):
        answer = move.at_rest()
    assert answer.state is ProbeState.NOT_DONE
    assert "1 sessions are inside the fence" in answer.sentence


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE dossier SET name = 'ba' WHERE id = 1", "public.dossier (1)"),
        ('INSERT INTO "Hồ sơ" VALUES (1), (2)', "public.Hồ sơ (2)"),
        ("DELETE FROM dossier", "public.dossier (3)"),
        ('TRUNCATE dossier, "Hồ sơ"', "public.Hồ sơ (1), public.dossier (1)"),
    ],
)
def test_a_superuser_who_wrote_and_left_is_seen_by_what_he_wrote(
    move: PostgresMove, server: servers.Server, statement: str, named: str
) -> None:
    with server.admin("portal") as admin:
        admin.execute(statement)
    answer = move.at_rest()
    assert answer.state is ProbeState.NOT_DONE
    assert answer.sentence.endswith(f"after the target stopped: {named}")


def test_a_write_in_another_database_of_the_same_server_is_nobodys_business(
    move: PostgresMove, server: servers.Server
) -> None:
    with server.admin("postgres") as admin:
        admin.execute("CREATE TABLE other (id integer PRIMARY KEY)")
        admin.execute("INSERT INTO other SELECT generate_series(1, 1000)")
        admin.execute("DROP TABLE other")
    assert move.at_rest().state is ProbeState.DONE


def test_an_open_fence_is_seen_and_a_silent_source_is_no_source_at_rest(
    move: PostgresMove, server: servers.Server
) -> None:
    with move._at.source() as source:
        link.run(source, "SELECT dcshift.unfence(1)")
    assert move.at_rest().state is ProbeState.NOT_DONE
    with server.admin() as admin:
        admin.execute("SELECT pg_drop_replication_slot(%s)", (move._name,))
    with move._at.source() as source:
        link.run(source, "SELECT dcshift.fence(1)")
    assert move.at_rest().state is ProbeState.UNKNOWN


class LocalHost:
    """Runs the administrator's psql of a source host against the test's server."""

    def __init__(self, server: servers.Server) -> None:
        self._server = server

    def run(self, host: str, argv: Sequence[str], *, input: str | None = None, timeout_seconds: float = 10.0) -> str:
        assert (host, list(argv[:5])) == ("db1", ["sudo", "-n", "-u", "postgres", "psql"])
        line = self._server.folder.parent / "administrator"
        line.touch(mode=0o600)
        endpoint = self._server.endpoint("portal", "postgres")
        line.write_text(endpoint.pass_line())
        return subprocess.run(
            argv[4:], env=endpoint.environment(line), input=input, check=True, capture_output=True, text=True
        ).stdout


def silence(move: PostgresMove, *, new_process: bool) -> None:
    """Let nothing of the target answer, neither its database nor its cluster."""

    def silent(*_: object) -> None:
        raise StepFailed("cluster-unreachable", what="the cluster does not answer", why="it is dead", state="", next="")

    move._access.cluster = SimpleNamespace(read_secret=silent, service_address=silent)  # type: ignore[assignment]
    if new_process:
        move._access._source = None


@pytest.mark.parametrize("new_process", [False, True], ids=["same-process", "new-process"])
def test_the_fence_opens_while_nothing_of_the_target_answers(
    move: PostgresMove, server: servers.Server, new_process: bool
) -> None:
    silence(move, new_process=new_process)
    move._remote = LocalHost(server)
    move.unfence()
    assert move.fenced().state is (ProbeState.UNKNOWN if new_process else ProbeState.NOT_DONE)
    with server.admin("portal", "reader") as reader:
        reader.execute("SELECT 1")
    move.unfence()


def test_a_fence_that_cannot_be_reached_in_any_way_is_no_silence(move: PostgresMove) -> None:
    silence(move, new_process=True)
    with pytest.raises(StepFailed) as refused:
        move.unfence()
    assert refused.value.code == "cluster-unreachable"


def test_a_server_that_falls_silent_is_given_up_within_seconds(move: PostgresMove) -> None:
    with move._at.source() as source:
        set_to = source.info.get_parameters()
        [kernel] = struct.unpack("I", socket.socket(fileno=os.dup(source.fileno())).getsockopt(6, 18, 4))
    assert kernel == 8000, "TCP_USER_TIMEOUT, in milliseconds"
    assert int(set_to["keepalives_idle"]) + int(set_to["keepalives_interval"]) <= 8


@pytest.mark.parametrize("verb", [PostgresMove.hand_over, PostgresMove.unreplicate], ids=lambda verb: verb.__name__)
def test_a_process_whose_turn_is_over_does_not_even_ask_the_target(
    verb: Callable[[PostgresMove], object], move: PostgresMove
) -> None:
    with move._at.source() as source:
        link.run(source, "SELECT dcshift.take_turn(5)")
    with pytest.raises(psycopg.Error, match="turn 1 is over: turn 5 has begun"):
        verb(move)


def test_a_comparison_is_cancelled_when_its_time_is_over(move: PostgresMove, server: servers.Server) -> None:
    place = Place(server.endpoint("postgres", "postgres"), "postgres", "postgres")
    began = time.monotonic()
    with moment(place, place, SystemClock(), frozen=True, seconds_max=3.0) as both:
        with pytest.raises(psycopg.errors.QueryCanceled):
            both.both("SELECT pg_sleep(600)")
        with pytest.raises(StepFailed) as refused:
            both.both("SELECT 1")
    assert refused.value.code == "comparison-too-slow"
    assert time.monotonic() - began < 300
