"""A small database on its way while something is wrong with a server: how its mover ends, and what it leaves there."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migration.adapters.database import PostgresMove
from migration.model.words import Severity
from migration.movers import postgres
from migration.movers.job import PostgresJob
from tests.support import catalogues
from tests.support import local_servers as servers
from tests.support.moving import database_move, failed, surveyed

Pair = tuple[servers.Server, servers.Server]
THOUGHTS = {"code", "what", "why", "state", "next"}
FEW = """
SET ROLE portal;
CREATE TABLE dossier (id serial PRIMARY KEY, name text NOT NULL);
INSERT INTO dossier (name) SELECT 'Nguyễn Văn ' || i FROM generate_series(1, 500) i;
CREATE TABLE access_log (at timestamptz NOT NULL, action text NOT NULL);
INSERT INTO access_log SELECT now(), 'đọc' FROM generate_series(1, 50) i;
CREATE TABLE big (id integer PRIMARY KEY, filler text NOT NULL);
INSERT INTO big SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 4000) i;
SELECT lo_from_bytea(100000 + i, decode(repeat(md5(i::text), 100), 'hex')) FROM generate_series(1, 5) i;
RESET ROLE;
"""
"""`access_log` has no key: it is given an identity before it is published. `big` is 4 MB, and the first to be read."""
SLOW = "400000"
AT_WORK = "SELECT EXISTS (SELECT FROM pg_stat_progress_copy WHERE relid = to_regclass('big'))"
"""Asked of the target: rows of `big` are on their way."""


@dataclass
class Case:
    """One move that was prepared."""

    pair: Pair
    move: PostgresMove
    folder: Path
    turn: list[int]
    """The token of whoever orders it now."""
    prepared: catalogues.Catalogue = field(init=False)
    """The source's catalogue before anything was copied."""

    @property
    def limit(self) -> Path:
        return self.folder / "limit"

    def job(self, **other: Any) -> PostgresJob:
        """Return the order of a copy that takes one thing after another, at the pace that `limit` says."""
        return self.move._job().model_copy(update={"workers": 1, "limit_file": self.limit, **other})

    def ends(self, **other: Any) -> dict[str, str]:
        """Run the mover as a person would, alone; return the error with which it ends, which holds no password."""
        job = self.job(**other)
        file = self.folder / "job.json"
        file.touch(mode=0o600)
        file.write_text(job.as_json())
        out = io.StringIO()
        with redirect_stdout(out):
            status = postgres.main(["--job", str(file)])
        said = out.getvalue()
        error: dict[str, str] = json.loads(said.splitlines()[-1]).get("error", {})
        assert status == 1, said
        assert set(error) == THOUGHTS, said
        assert all(error.values()), error
        for endpoint in (job.source, job.target, job.feed):
            assert endpoint.password.get_secret_value() not in said + "".join(error.values())
        return error

    def blockers(self) -> dict[str, str]:
        """Return what `dcshift check` says forbids it, by code."""
        return {each.code: each.what for each in self.move.check() if each.severity is Severity.BLOCKER}

    def note(self) -> None:
        """Keep how the source is now."""
        self.prepared = catalogues.of(self.pair[0], "portal")

    def assert_source_as_prepared(self) -> None:
        assert catalogues.of(self.pair[0], "portal") == self.prepared

    def assert_exact(self) -> None:
        """Copy, or go on with what was copied, and prove it."""
        postgres.move(self.job(limit_file=None))
        assert failed(self.move.prove(frozen=False)) == []

    def as_admin(self, side: int, *statements: str, database: str = "portal") -> None:
        """Run statements as the superuser on the source (0) or the target (1)."""
        with self.pair[side].admin(database) as admin:
            for statement in statements:
                admin.execute(statement.encode())


@contextmanager
def begun(pair: Pair, folder: Path, *, source: str = "", target: str = "", sample: str = FEW) -> Iterator[Case]:
    """Prepare a move, and take it back at the end: both sides must then be as they were before it.

    `source` and `target` are words of CREATE DATABASE for a side that is not as usual.
    """
    servers.new_databases(*pair, "portal", "SELECT" if source else sample)
    for server, words, content in ((pair[0], source, sample), (pair[1], target, "")):
        if not words:
            continue
        with server.admin() as admin:
            admin.execute("DROP DATABASE portal WITH (FORCE)")
            admin.execute(f"CREATE DATABASE portal OWNER portal TEMPLATE template0 {words}".encode())
        with server.admin("portal") as admin:
            if content:
                admin.execute(content.encode())
    before = [catalogues.of(server, "portal") for server in pair]
    turn = [1]
    move = database_move(*pair, folder, lambda: turn[0], database=surveyed(pair[0]))
    move.prepare()
    case = Case(pair, move, folder, turn)
    case.note()
    case.limit.write_text("")
    try:
        yield case
    finally:
        move._units.stop("portal-database")
        move.unreplicate()
        move.unprepare()
    assert [catalogues.of(server, "portal") for server in pair] == before


@contextmanager
def meanwhile(server: servers.Server, query: str, act: Callable[[threading.Event], object]) -> Iterator[None]:
    """Do something the moment a server answers a question with true, while the block is at work.

    It is handed what is set when the block ends.
    """
    over = threading.Event()
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            with server.admin("portal") as admin:
                end = time.monotonic() + 120
                while not admin.execute(query.encode()).fetchone()[0]:  # type: ignore[index]
                    assert not over.is_set(), f"it ended before: {query}"
                    assert time.monotonic() < end, query
                    time.sleep(0.005)
            act(over)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(180)
    assert failures == []


def until(server: servers.Server, query: str, wanted: object = True, *, seconds: float = 120.0) -> None:
    """Wait until a server gives this answer."""
    end = time.monotonic() + seconds
    with server.admin("portal") as admin:
        while (said := admin.execute(query.encode()).fetchone()) != (wanted,):
            assert time.monotonic() < end, (query, said)
            time.sleep(0.02)
