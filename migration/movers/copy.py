"""Carries the rows of every table from one psql to another, under one snapshot; no row passes through Python."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from migration.movers import link, programs
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.movers.throttle import Throttle, relay

# Ordinary tables and leaves of partitioned ones, without those of extensions and our own.
TABLES = """
SELECT n.nspname, c.relname, pg_table_size(c.oid), c.relpersistence = 'u',
    coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '{}'),
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = '' AND NOT a.atttypid IN (SELECT oid FROM binary_safe))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence IN ('p', 'u')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
ORDER BY 3 DESC, 1, 2
"""

# A binary value carries type numbers where it is an array, a composite or a reg* value: numbers of built-in types are
# the same everywhere, those of other types are not. Types of extensions may change their form between versions.
BINARY_SAFE = """
WITH RECURSIVE binary_safe(oid) AS (
    SELECT t.oid FROM pg_type t
    WHERE t.typsend <> 0 AND t.typreceive <> 0 AND (t.typtype = 'e'
        OR (t.oid < 16384 AND t.typtype IN ('b', 'r', 'm') AND t.typname !~ '^_?(reg|pg_|acl)'))
    UNION
    SELECT t.oid FROM pg_type t JOIN binary_safe b ON t.typtype = 'd' AND t.typbasetype = b.oid
)
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One table whose rows are carried."""

    schema: str
    name: str
    size_bytes: int
    unlogged: bool
    columns: tuple[str, ...]
    binary: bool

    @property
    def quoted(self) -> str:
        return quoted(self.schema, self.name)


def tables(source: Connection) -> list[Table]:
    """Return the tables of the source, largest first."""
    found = link.rows(source, BINARY_SAFE + TABLES)
    return [Table(n, t, size, unlogged, tuple(columns), not odd) for n, t, size, unlogged, columns, odd in found]


@dataclass(frozen=True, slots=True)
class Pipe:
    """What every worker needs to carry a table: both environments and the snapshot it reads in."""

    job: PostgresJob
    pass_file: Path
    snapshot: str | None
    throttle: Throttle = field(default_factory=lambda: Throttle(None))

    def carry(self, table: Table) -> int:
        """Carry one table and return its rows; the table is emptied first, in the same transaction."""
        format = "binary" if table.binary else "text"
        columns = f" ({', '.join(quoted(column) for column in table.columns)})"
        if not table.columns:
            columns = ""  # a table may have none; COPY then carries empty rows, in text only
            format = "text"
        read = [f"COPY {table.quoted}{columns} TO STDOUT (FORMAT {format})"]
        write = [
            self.job.as_owner,
            "BEGIN",
            f"TRUNCATE ONLY {table.quoted}",
            f"COPY {table.quoted}{columns} FROM STDIN (FORMAT {format}, FREEZE)",
            "COMMIT",
        ]
        return self.move(read, write, doing=f"copy of {table.schema}.{table.name}")

    def move(self, read: list[str], write: list[str], *, doing: str) -> int:
        """Run the reading statements at the source into the writing ones at the target; return rows written."""
        begin = ["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
        if self.snapshot is not None:
            begin.append(f"SET TRANSACTION SNAPSHOT {link.literal(self.snapshot)}")
        reader = programs.begin(_psql([*begin, *read], quiet=True), self._environment(self.job.source))
        writer = programs.begin(_psql(write, quiet=False), self._environment(self.job.target), stdin=subprocess.PIPE)
        assert reader.stdout is not None and writer.stdin is not None
        with ThreadPoolExecutor(1) as pool:
            between = pool.submit(relay, reader.stdout, writer.stdin, self.throttle, writer.kill)
            # The relay closes both, or neither program would notice the other's end.
            reader.stdout = writer.stdin = None
            out, write_error = self._written(writer)
            _, read_error = reader.communicate()
        if (broken := between.exception()) is not None:
            raise programs.failed("the pipe between both psql", 1, str(broken), doing=doing) from broken
        # A reader that failed ends its output early, and a text COPY would look complete: both must have succeeded.
        for program, process, said in (("psql (source)", reader, read_error), ("psql (target)", writer, write_error)):
            if process.returncode != 0:
                other = write_error if process is reader else read_error
                raise programs.failed(program, process.returncode, (said + other).decode(errors="replace"), doing=doing)
        told = re.findall(rb"^COPY (\d+)$", out, re.MULTILINE)
        if len(told) != sum(statement.startswith("COPY ") for statement in write):
            raise programs.unbelieved("psql (target)", "it did not say how many rows it wrote", doing=doing)
        return sum(map(int, told))

    def _written(self, writer: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Wait for it and return both outputs. One that takes too long is ended, unless people slow it down."""
        while True:
            try:
                return writer.communicate(timeout=self.job.copy_seconds_max)
            except subprocess.TimeoutExpired:
                if not self.throttle.is_slowed():
                    writer.kill()

    def _environment(self, endpoint: link.Endpoint) -> dict[str, str]:
        options = "-c statement_timeout=0 -c lock_timeout=60000 -c extra_float_digits=3 -c DateStyle=ISO"
        options += " -c IntervalStyle=postgres -c client_min_messages=warning -c synchronous_commit=off"
        # Row-level security must never thin out a copy silently; with this it is an error.
        options += " -c row_security=off"
        return {
            **endpoint.environment(self.pass_file),
            "PGAPPNAME": self.job.program,
            "PGOPTIONS": options,
        }


def _psql(statements: list[str], *, quiet: bool) -> list[str]:
    argv = ["psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *(["-q"] if quiet else [])]
    for statement in statements:
        argv += ["-c", statement]
    return argv


def carry_all(pipe: Pipe, all_tables: list[Table], on_table: Callable[[Table, int], None]) -> None:
    """Carry every table with the job's workers; the first failure ends it all."""
    with ThreadPoolExecutor(pipe.job.workers) as pool:
        tasks = {pool.submit(pipe.carry, table): table for table in all_tables}
        waiting = set(tasks)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_EXCEPTION, timeout=0.2)
            for task in done:
                if task.exception() is not None:
                    pool.shutdown(wait=False, cancel_futures=True)
                on_table(tasks[task], task.result())
