"""Carries databases from mariadb-dump to mariadb, as of one position of the source's log; no row passes through Python.

Neither program is believed: the dump must say its position at its head, and the loader must have carried out a
statement that we put behind the dump's last.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from migration.movers import lines, memory, programs
from migration.movers.mariadb import claim, link
from migration.movers.mariadb.claim import Turn
from migration.movers.mariadb.job import MariadbJob, MariadbServer
from migration.movers.throttle import Throttle, relay

_HEAD_BYTES_MAX: Final = 64 * 1024
_PLACE: Final = re.compile(rb"MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+);")
_DUMP: Final = (
    "--single-transaction", "--master-data=2", "--routines", "--triggers", "--events", "--hex-blob",
    "--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--databases", "--",
)  # fmt: skip
# Without binary mode, line ends within the bodies of routines would be changed.
_LOAD: Final = (
    "--binary-mode",
    "--loose-skip-print-query-on-error",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
)
_DOING: Final = "copy of the databases"
_LOADED: Final = "dcshift.loaded"


def carry(turn: Turn, total_bytes: int) -> str:
    """Fill the target and return the GTID position that it then has.

    Raises `StepFailed` when a program fails, or says that it succeeded and shows no work.
    """
    job = turn.job
    lines.progress("rows", 0, total_bytes, "bytes")
    link.run(turn.target, f"CREATE OR REPLACE TABLE {_LOADED} (position text NOT NULL) ENGINE=InnoDB")
    with _option_files(job) as (at_source, at_target):
        place = _piped(job, at_source, at_target, _Counted(job.limit_file, total_bytes))
    # Older servers write no GTID into a dump, and newer ones at its end: the file's position is at its head in all.
    file, number = place
    position = link.one(turn.source, "SELECT BINLOG_GTID_POS(%s, %s)", (file, number))
    if position is None:
        why = f"the source knows no position {number} in its log {file}, which the dump names as its own"
        raise programs.unbelieved("mariadb-dump", why, doing=_DOING)
    if link.rows(turn.target, f"SELECT position FROM {_LOADED}") != [(f"{file}:{number}",)]:
        why = "the statement behind the dump's last was not carried out"
        raise programs.unbelieved("mariadb", why, doing=_DOING)
    link.run(turn.target, f"DROP TABLE {_LOADED}")
    return str(position)


class _Counted(Throttle):
    """Says once a second how far the dump is; its text is about as long as the tables."""

    def __init__(self, file: Path | None, total: int) -> None:
        super().__init__(file)
        self._standing = lines.Standing("rows", 0, total)
        self._bytes = 0

    def take(self, count: int) -> None:
        super().take(count)
        self._bytes += count
        self._standing.say(0, self._bytes)


def _piped(job: MariadbJob, at_source: Path, at_target: Path, throttle: Throttle) -> tuple[str, int]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MYSQL", "MARIADB"))}
    reader = programs.begin([*_program(job, "mariadb-dump", at_source), *_DUMP, *job.databases], environment)
    writer = programs.begin([*_program(job, "mariadb", at_target), *_LOAD], environment, stdin=subprocess.PIPE)

    def end() -> None:
        writer.kill()  # first: it would take the end of a stopped reader for the end of the dump
        reader.kill()

    assert reader.stdout is not None and writer.stdin is not None
    dump, load = reader.stdout, writer.stdin
    reader.stdout = writer.stdin = None  # who passes it on closes it
    with ThreadPoolExecutor(1) as pool:
        between = pool.submit(_pass_on, job, (reader, dump), (writer, load), throttle)
        try:
            _, write_error = writer.communicate(timeout=job.copy_seconds_max)
            _, read_error = reader.communicate()
        except subprocess.TimeoutExpired:
            end()
            why = f"it did not finish in {job.copy_seconds_max:.0f} s"
            raise programs.failed("mariadb", -9, why, doing=_DOING) from None
        except BaseException:
            end()  # told to end, nobody waits for the rest of the dump
            raise
    broken = between.exception()
    if broken is not None and not isinstance(broken, OSError):
        raise broken
    for program, process, said in (("mariadb-dump", reader, read_error), ("mariadb", writer, write_error)):
        if process.returncode != 0:
            other = write_error if process is reader else read_error
            raise programs.failed(program, process.returncode, (said + other).decode(errors="replace"), doing=_DOING)
    if broken is not None:
        raise programs.unbelieved("mariadb", f"it did not read the dump to its end: {broken}", doing=_DOING)
    return between.result()


def _pass_on(
    job: MariadbJob,
    reader: tuple[subprocess.Popen[bytes], IO[bytes]],
    writer: tuple[subprocess.Popen[bytes], IO[bytes]],
    throttle: Throttle,
) -> tuple[str, int]:
    """Pass the dump on between two statements of ours, and return the position that its head says."""
    (dumping, dump), (loading, load) = reader, writer
    with os.fdopen(os.dup(load.fileno()), "wb") as behind:
        try:
            head = _head(dump)
            place = _PLACE.search(head)
            if place is None:
                raise programs.unbelieved("mariadb-dump", "its output begins with no position", doing=_DOING)
            file, number = place[1].decode(), int(place[2])
            # What it writes is no transaction of the target's own, and a later mover finds this session by its lock.
            lock = link.literal(claim.loading(job))
            behind.write(f"SET SESSION sql_log_bin = 0; DO GET_LOCK({lock}, 10);\n".encode() + head)
            behind.flush()
        except BaseException:
            loading.kill()
            with dump, load:
                raise
        relay(dump, load, throttle, loading.kill, lambda: dumping.wait() == 0)
        if dumping.wait() == 0:
            said = link.literal(f"{file}:{number}")
            behind.write(f"\nINSERT INTO {_LOADED} VALUES ({said});\n".encode())
    return file, number


def _head(dump: IO[bytes]) -> bytes:
    """Read the dump's beginning, up to the position or a bound; what is read must be passed on."""
    head = b""
    while len(head) < _HEAD_BYTES_MAX and not _PLACE.search(head):
        more = os.read(dump.fileno(), _HEAD_BYTES_MAX - len(head))
        if not more:
            break
        head += more
    return head


def _program(job: MariadbJob, name: str, options: Path) -> list[str]:
    return [str(job.programs / name) if job.programs else name, f"--defaults-file={options}"]


@contextmanager
def _option_files(job: MariadbJob) -> Iterator[tuple[Path, Path]]:
    """Give the programs private option files in memory, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="dcshift-", dir=memory.folder()) as name:

        def file(side: str, server: MariadbServer) -> Path:
            path = Path(name) / side
            path.touch(mode=0o600)
            path.write_text(server.option_file())
            return path

        yield file("source", job.source), file("target", job.target)
