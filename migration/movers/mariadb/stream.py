"""MariaDB's own replication between the two servers, in either direction, and the account that it reads with."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Final

from migration.errors import StepFailed
from migration.movers.mariadb import gtid, link
from migration.movers.mariadb.job import MariadbJob, Reach
from migration.movers.mariadb.link import Connection, literal, quoted

_STOP_SECONDS_MAX: Final = 60.0
_RETRY_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Channel:
    """How a server follows the other."""

    reading: bool
    applying: bool
    filter: str
    error: str
    """Why it stopped, or empty."""


def make_account(publisher: Connection, job: MariadbJob, reach: Reach) -> str:
    """Make the account that the other server reads with, anew each time; return its password, which nobody else has."""
    password = secrets.token_urlsafe(24) + "aA1-"
    name = _account(job)
    secure = " REQUIRE SSL" if reach.tls != "off" else ""
    link.run(publisher, f"CREATE OR REPLACE USER {name} IDENTIFIED BY {literal(password)}{secure}")
    link.run(publisher, f"GRANT REPLICATION SLAVE ON *.* TO {name}")
    return password


def drop_account(publisher: Connection, job: MariadbJob) -> None:
    """Take the account away, and whoever reads with it."""
    link.run(publisher, f"DROP USER IF EXISTS {_account(job)}")
    query = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s AND COMMAND LIKE 'Binlog Dump%%'"
    for (reader,) in link.rows(publisher, query, (job.channel,)):
        link.run(publisher, f"KILL SOFT CONNECTION {int(reader)}")


def subscribe(publisher: Connection, follower: Connection, job: MariadbJob, reach: Reach, position: str) -> None:
    """Let one server follow the other from a position on; it is not started yet."""
    drop(follower, job)
    password = make_account(publisher, job, reach)
    link.rows(follower, "SET GLOBAL gtid_slave_pos = %s", (position,))
    words = {
        "MASTER_HOST": literal(reach.host),
        "MASTER_PORT": str(reach.port),
        "MASTER_USER": literal(job.channel),
        "MASTER_PASSWORD": literal(password),
        "MASTER_CONNECT_RETRY": str(_RETRY_SECONDS),
        "MASTER_SSL": "0" if reach.tls == "off" else "1",
        "MASTER_SSL_VERIFY_SERVER_CERT": "1" if reach.tls == "verify" else "0",
        "MASTER_SSL_CA": literal(reach.tls_root or ""),
        "MASTER_USE_GTID": "slave_pos",
    }
    said = ", ".join(f"{name} = {value}" for name, value in words.items())
    link.run(follower, f"CHANGE MASTER {literal(job.channel)} TO {said}")
    if channel(follower, job) is None:
        raise _broken(job, "the server took the order to follow and does not know the channel")


def start(follower: Connection, job: MariadbJob, *, until: str | None = None) -> None:
    """Start following, up to a position if told; only the databases that move are followed."""
    found = channel(follower, job)
    if found is None:
        raise _broken(job, "there is no such channel")
    if found.filter != _filter(job):
        # A server that was started anew has forgotten the filter, and begins without it.
        stop(follower, job)
        link.run(follower, f"SET GLOBAL {quoted(job.channel)}.replicate_wild_do_table = {literal(_filter(job))}")
    last = f" UNTIL master_gtid_pos = {literal(until)}" if until is not None else ""
    link.run(follower, f"START SLAVE {literal(job.channel)}{last}")


def stop(follower: Connection, job: MariadbJob) -> None:
    """Stop following and see that it stands still."""
    link.run(follower, f"STOP SLAVE {literal(job.channel)}")
    _wait_stopped(follower, job, _STOP_SECONDS_MAX)


def wait_stopped(follower: Connection, job: MariadbJob, *, seconds_max: float) -> None:
    """Wait until it applies nothing any more. Raises `StepFailed` when it failed, or goes on."""
    found = _wait_stopped(follower, job, seconds_max)
    if found is not None and found.error:
        raise _broken(job, found.error)


def _wait_stopped(follower: Connection, job: MariadbJob, seconds_max: float) -> Channel | None:
    deadline = time.monotonic() + seconds_max
    while (found := channel(follower, job)) is not None and found.applying:
        if time.monotonic() > deadline:
            raise _broken(job, f"it did not stand still within {seconds_max:.0f} s")
        time.sleep(0.05)
    return found


def drop(follower: Connection, job: MariadbJob) -> None:
    """Forget the other server; what was applied stays."""
    if channel(follower, job) is not None:
        link.run(follower, f"STOP SLAVE {literal(job.channel)}", f"RESET SLAVE {literal(job.channel)} ALL")
    if channel(follower, job) is not None:
        raise _broken(job, "the channel was taken away and is still there")


def forget_place(side: Connection) -> None:
    """Forget how far a server that follows nobody had applied; its own log says what it holds."""
    if not link.named(side, "SHOW ALL SLAVES STATUS"):
        link.run(side, "SET GLOBAL gtid_slave_pos = ''")


def channel(follower: Connection, job: MariadbJob) -> Channel | None:
    """Return how it follows, or None where it does not."""
    for row in link.named(follower, "SHOW ALL SLAVES STATUS"):
        if row["Connection_name"] == job.channel:
            errors = [str(row[name]) for name in ("Last_SQL_Error", "Last_IO_Error") if row[name]]
            return Channel(
                reading=row["Slave_IO_Running"] == "Yes",
                applying=row["Slave_SQL_Running"] == "Yes",
                filter=str(row["Replicate_Wild_Do_Table"]),
                error="; ".join(errors),
            )
    return None


def assert_follows(follower: Connection, job: MariadbJob) -> None:
    """Raise `StepFailed` with the server's own reason where it does not follow, or not what it should."""
    found = channel(follower, job)
    if found is None:
        raise _broken(job, "there is no such channel")
    if not found.applying or (not found.reading and found.error):
        raise _broken(job, found.error or "it is stopped")
    if found.filter != _filter(job):
        raise _broken(job, f"it follows {found.filter or 'everything'} instead of {_filter(job)}")


def place(server: Connection) -> str:
    """Return the position of the last transaction in a server's binary log."""
    return str(link.one(server, "SELECT @@GLOBAL.gtid_binlog_pos"))


def reached(follower: Connection) -> str:
    """Return the position up to which a server has applied."""
    return str(link.one(follower, "SELECT @@GLOBAL.gtid_slave_pos"))


def wait_for(follower: Connection, position: str, *, seconds_max: float) -> bool:
    """Wait until a position is applied; the server's word is compared with its position, read again."""
    waited = link.one(follower, "SELECT MASTER_GTID_WAIT(%s, %s)", (position, seconds_max))
    return waited == 0 and gtid.behind(position, reached(follower)) == 0


def _filter(job: MariadbJob) -> str:
    escaped = (name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") for name in job.databases)
    return ",".join(f"{name}.%" for name in escaped)


def _account(job: MariadbJob) -> str:
    return f"{literal(job.channel)}@'%'"


def _broken(job: MariadbJob, why: str) -> StepFailed:
    return StepFailed(
        "mariadb-stream-broken",
        what=f"one server of {job.system} does not follow the other",
        why=why,
        state="the side that serves goes on serving, and keeps the changes in its binary log",
        next="mend the cause (SHOW ALL SLAVES STATUS tells it), then the same command again",
    )
