"""Carries the rows of every table from one psql to another, under one snapshot; no row passes through Python."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from migration.movers import link, programs
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.movers.programs import Brake
from migration.movers.throttle import Throttle, relay

# Ordinary tables and leaves of partitioned ones, without those of extensions and our own.
TABLES = """
SELECT n.nspname, c.relname, pg_table_size(c.oid), pg_relation_size(c.oid) / current_setting('block_size')::integer,
    c.relpersistence = 'u',
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
    """With its big values, which lie beside it; without indexes."""
    pages: int
    """Pages of the table itself."""
    unlogged: bool
    columns: tuple[str, ...]
    binary: bool

    @property
    def quoted(self) -> str:
        return quoted(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a table that lie in some of its pages."""

    table: Table
    first_page: int
    end_page: int | None
    """The first page that is not in it; None: to the end, wherever that is by then."""

    @property
    def size_bytes(self) -> int:
        """Return its share of the table's bytes."""
        pages = max(self.table.pages, 1)
        return self.table.size_bytes * ((self.end_page or pages) - self.first_page) // pages


def split(table: Table, count: int) -> list[Part]:
    """Return as many parts of about one size, which together are the table: no row is in two of them, or in none."""
    bounds = sorted({table.pages * number // count for number in range(count)})
    return [Part(table, first, end) for first, end in zip(bounds, [*bounds[1:], None], strict=True)]


def tables(source: Connection) -> list[Table]:
    """Return the tables of the source, largest first."""
    found = link.rows(source, BINARY_SAFE + TABLES)
    return [Table(n, t, size, pages, u, tuple(columns), not odd) for n, t, size, pages, u, columns, odd in found]


@dataclass(frozen=True, slots=True)
class Pipe:
    """What every worker needs to carry a table: both environments and the snapshot it reads in."""

    job: PostgresJob
    pass_file: Path
    snapshot: str | None
    throttle: Throttle = field(default_factory=lambda: Throttle(None))
    brake: Brake = field(default_factory=Brake)

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

    def carry_part(self, part: Part) -> int:
        """Carry the rows of one part into a table that was made for this copy and is still empty but for other parts.

        No part may be frozen: only who made or emptied the table in the same transaction may do that.
        """
        table, format = part.table, "binary" if part.table.binary else "text"
        columns = ", ".join(quoted(column) for column in table.columns)
        where = f"ctid >= '({part.first_page},0)'"
        if part.end_page is not None:
            where += f" AND ctid < '({part.end_page},0)'"
        read = [f"COPY (SELECT {columns} FROM ONLY {table.quoted} WHERE {where}) TO STDOUT (FORMAT {format})"]
        write = [self.job.as_owner, f"COPY {table.quoted} ({columns}) FROM STDIN (FORMAT {format})"]
        return self.move(read, write, doing=f"copy of {table.schema}.{table.name} from page {part.first_page} on")

    def move(self, read: list[str], write: list[str], *, doing: str) -> int:
        """Run the reading statements at the source into the writing ones at the target; return rows written."""
        begin = ["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
        if self.snapshot is not None:
            begin.append(f"SET TRANSACTION SNAPSHOT {link.literal(self.snapshot)}")
        reader = programs.begin(_psql([*begin, *read], quiet=True), self._environment(self.job.source))
        writer = programs.begin(_psql(write, quiet=False), self._environment(self.job.target), stdin=subprocess.PIPE)
        assert reader.stdout is not None and writer.stdin is not None

        def end() -> None:
            writer.kill()  # first: it would take the end of a stopped reader for the end of the rows
            reader.kill()

        def whole() -> bool:
            return reader.wait() == 0

        with self.brake.hold(end), ThreadPoolExecutor(1) as pool:
            between = pool.submit(relay, reader.stdout, writer.stdin, self.throttle, writer.kill, whole)
            # The relay closes both, or neither program would notice the other's end.
            reader.stdout = writer.stdin = None
            out, write_error = self._written(writer)
            _, read_error = reader.communicate()
        if (broken := between.exception()) is not None:
            raise programs.failed("the pipe between both psql", 1, str(broken), doing=doing) from broken
        # A reader that failed ends its output early, and a text COPY would look complete: the relay has then ended the
        # writer, and both must have succeeded.
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
