"""Makes the source's server and fills it, two tables at once and without a log, then starts it as a source serves."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench.data import shapes
from bench.data.shapes import DATABASE
from lab.postgres_server import PostgresServer

_AT_ONCE: Final = 2
# Nothing is lost with a server that dies while it is filled: the bench begins anew. What a chapter writes into its own
# new tables then needs no log at all, half of the time and of the disk.
_QUICK: Final = {"wal_level": "minimal", "max_wal_senders": "0", "fsync": "off", "max_wal_size": "1GB"}
_BACK: Final = {"max_wal_senders": "10", "fsync": "on"}
_EXTENSION: Final = "CREATE EXTENSION pg_trgm"
_BY_SOCKET: Final = "local all all scram-sha-256\nlocal replication all scram-sha-256\n"


@contextlib.contextmanager
def filled(server: PostgresServer, size_bytes: int) -> Iterator[None]:
    """Run a new server that holds about so many bytes for as long as the block."""
    filler = dataclasses.replace(server, settings={**server.settings, **_QUICK})
    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(_AT_ONCE)
        stack.callback(pool.shutdown)
        filler.start()
        stack.callback(filler.stop)  # before the pool is waited for: whoever is told to end ends soon
        filler.database(DATABASE)
        with filler.admin(DATABASE) as admin:
            admin.execute(_EXTENSION)
        first, *others = shapes.chapters(size_bytes)
        _write(filler, first)
        for written in [pool.submit(_write, filler, chapter) for chapter in others]:
            written.result()
        with filler.admin(DATABASE) as admin:
            admin.execute("VACUUM (ANALYZE, FREEZE)")
            admin.execute("CHECKPOINT")  # so that it ends at once
    data = server.folder / "data"
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in {**_BACK, **server.settings}.items())
    with (data / "pg_hba.conf").open("a", encoding="utf-8") as file:
        file.write(_BY_SOCKET)
    os.sync()
    server.start()
    try:
        yield
    finally:
        server.stop()


def _write(server: PostgresServer, chapter: Sequence[str]) -> None:
    with server.admin(DATABASE) as session, session.transaction():
        for statement in (f"SET LOCAL ROLE {DATABASE}", "SET LOCAL maintenance_work_mem = '512MB'", *chapter):
            session.execute(statement.encode())
