"""Copies a source server's files while it serves, with pg_basebackup; no password is on its command line."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import make_conninfo

from migration.movers import cluster, lines, link, memory, physical_findings, programs, throttle
from migration.movers.physical_job import PhysicalJob

_KILOBYTES_MIN, _KILOBYTES_MAX = 32, 1024 * 1024
"""What pg_basebackup takes as --max-rate."""
_PROGRESS: Final = re.compile(rb"(\d+)/(\d+) kB")


@contextlib.contextmanager
def pass_file(job: PhysicalJob) -> Iterator[Path]:
    """Give the servers' user the source's password as a file in memory, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="dcshift-", dir=memory.folder()) as name:
        file = Path(name) / "pass"
        cluster.write(file, job.source.pass_line(), job.user)
        cluster.own(Path(name), job.user, 0o700)
        yield file


def copy_files(job: PhysicalJob, secret: Path) -> int:
    """Copy the source's files; return their bytes. The speed is set once, at the beginning: it cannot be changed."""
    program = physical_findings.basebackup(job)
    assert program is not None  # the findings saw it
    rate = throttle.read(job.limit_file)
    argv = [
        *cluster.as_user(job.user),
        str(program),
        "-D",
        str(job.base),
        "-X",
        "stream",
        "-c",
        "fast",
        "--progress",
        "-N",
    ]
    argv += ["-C", "-S", job.physical_slot, "--no-password", "-d", conninfo(job)]
    if rate is not None:
        argv += [f"--max-rate={min(max(rate // 1024, _KILOBYTES_MIN), _KILOBYTES_MAX)}"]
    process = programs.begin(argv, {**cluster.environment(), "PGPASSFILE": str(secret)})
    limit = threading.Timer(job.copy_seconds_max, process.kill)
    limit.start()
    try:
        assert process.stderr is not None
        said, done = _follow(process.stderr)
        returncode = process.wait()
    finally:
        limit.cancel()
        process.kill()
        process.wait()
    doing = "the copy of the source's files"
    if returncode != 0:
        raise programs.failed("pg_basebackup", returncode, said, doing=doing)
    if not (job.base / "backup_label").is_file() or not (job.base / "global" / "pg_control").is_file():
        raise programs.unbelieved("pg_basebackup", f"{job.base} holds no backup of a server", doing=doing)
    return done


def conninfo(job: PhysicalJob, **more: str) -> str:
    """Return how the source is reached for replication by programs, which find the password in a file."""
    # No password in it: a command line is read by everybody on this machine.
    words = {**job.source.parameters(), "application_name": job.publishing, **more}
    silence = str(link.SILENCE_SECONDS_MAX // 4)
    words |= {"keepalives_idle": silence, "keepalives_interval": silence}
    words |= {"tcp_user_timeout": str(1000 * link.SILENCE_SECONDS_MAX)}
    return make_conninfo(**{name: value for name, value in words.items() if name != "dbname"})


def _follow(stderr: IO[bytes]) -> tuple[str, int]:
    """Pass the program's own progress on; return what else it said, and the bytes that it copied."""
    rate, said, done = lines.Rate(), b"", 0
    lines.progress("base backup", 0, None, "bytes")
    for line in stderr:
        if found := _PROGRESS.search(line):
            done, total = int(found[1]) * 1024, int(found[2]) * 1024
            # While it runs its total is an estimate, and grows with what it finds.
            lines.progress("base backup", done, max(done, total), "bytes", rate.of(done))
        else:
            said = (said + line)[-4_000:]
    return said.decode(errors="replace"), done
