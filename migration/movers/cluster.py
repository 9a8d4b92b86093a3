"""One PostgreSQL server in a folder of this machine, reached by a private socket; it stops only what runs there.

Its configuration is written here in full: what came with a copy could archive into the source's archive, subscribe with
the source's slots, or ask for passwords.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from pydantic import SecretStr

from migration.errors import StepFailed
from migration.movers import link, programs
from migration.movers.link import Connection, Endpoint

READY_SECONDS_MAX: Final = 120.0
_STOP_SECONDS_MAX: Final = 600.0
"""A clean stop writes down everything that is in memory: pg_upgrade takes nothing less."""
_LOG_TAIL_CHARACTERS: Final = 2_000
_OURS: Final = "dcshift.conf"
_MAP: Final = "dcshift"


def as_user(user: str | None, *, death: str | None = "KILL") -> list[str]:
    """Return the words that make a program somebody's; it gets the signal `death` when we die."""
    words = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    # Becoming somebody else forgets the signal, so it is asked for in the same breath.
    words += ["--pdeathsig", death] if death else []
    return ["setpriv", *words, "--"] if words else []


def environment() -> dict[str, str]:
    """Return what PostgreSQL's programs may know of whoever called us: nothing of his PG… variables, no home."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C", "TZ": "UTC"}


def major_of(binaries: Path) -> int:
    """Return the major version of a folder's programs by their own word."""
    argv = [str(binaries / "postgres"), "--version"]
    said = programs.run(argv, environment(), doing="asking for a version", timeout_seconds=30.0)
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    if found is None:
        raise programs.unbelieved("postgres", f"{argv[0]} --version says: {said.strip()}", doing="asking for a version")
    return int(found[1])


def own(path: Path, user: str | None, mode: int) -> None:
    """Give a file or folder to the servers' user alone."""
    if user:
        shutil.chown(path, user, user)
    path.chmod(mode)


def setting(name: str, value: str) -> str:
    """Return a line of a server's configuration, which knows backslashes and doubled quotes in a text."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{escaped}'\n"


def write(file: Path, text: str, user: str | None) -> None:
    """Write a file of the servers' anew: root does not follow a link that lies in a folder of somebody else's."""
    file.unlink(missing_ok=True)
    with file.open("x") as new:
        new.write(text)
    own(file, user, 0o600)


def server_of(data: Path) -> int | None:
    """Return the process id of the server that runs in this folder, whoever started it.

    The number in its file may be anybody's by now; a server works in its own data directory.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _works_in(pid, data) else None


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        return False


def stop(data: Path, *, seconds_max: float = _STOP_SECONDS_MAX) -> bool:
    """Stop the server of this folder cleanly, by its id; return whether there was one."""
    pid = server_of(data)
    if pid is None:
        return False
    deadline = time.monotonic() + seconds_max
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    while _works_in(pid, data):
        if time.monotonic() > deadline:
            raise StepFailed(
                "server-stays",
                what=f"the server in {data} did not stop",
                why=f"process {pid} is there {seconds_max:.0f} s after it was told to end",
                state="the source serves; nothing else was changed",
                next=f"look at process {pid} and its log, then type the same command again",
            )
        time.sleep(0.02)
    return True


def private(run: Path, port: int, database: str, superuser: str) -> Endpoint:
    """Return a server by its private socket, where the kernel says who we are."""
    return Endpoint(
        host=str(run), port=port, database=database, user=superuser, password=SecretStr(""), tls_mode="disable"
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """One server's folder and programs."""

    data: Path
    binaries: Path
    run: Path
    port: int
    user: str | None
    superuser: str

    def configure(self, settings: Mapping[str, str], access: Sequence[str] = (), *, foreign: bool = False) -> None:
        """Write its configuration; `foreign`: what is there came with a copy, and none of it may hold."""
        own_place = {"unix_socket_directories": str(self.run), "port": str(self.port), "listen_addresses": ""}
        self._write(_OURS, "".join(setting(*each) for each in {**own_place, **settings}.items()))
        include = f"include '{_OURS}'\n"
        if foreign:
            self._write("postgresql.conf", include)
            self._write("postgresql.auto.conf", "")
        elif include not in (before := (self.data / "postgresql.conf").read_text()):
            self._write("postgresql.conf", before + include)
        # Whoever is root or the server's user may do anything to its files anyway; nobody else passes the private
        # socket, and on another socket nobody else is its superuser.
        who = ["root"] if self.user is None else ["root", self.user]
        self._write("pg_ident.conf", "".join(f"{_MAP} {name} {link.quoted(self.superuser)}\n" for name in who))
        first = f"local all {link.quoted(self.superuser)} peer map={_MAP}\n"
        self._write("pg_hba.conf", first + "".join(f"{line}\n" for line in access))

    def start(self, *, log: Path, outlives_us: bool = False) -> subprocess.Popen[bytes]:
        """Start it; without `outlives_us` it stops in order when we die. Whether it answers is asked by `wait`."""
        argv = [*as_user(self.user, death=None if outlives_us else "INT"), str(self.binaries / "postgres")]
        log.touch()
        own(log, self.user, 0o600)
        with log.open("ab") as output:
            return subprocess.Popen(
                [*argv, "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                cwd="/",
                start_new_session=True,
            )

    def wait(self, process: subprocess.Popen[bytes], log: Path, *, doing: str, seconds_max: float) -> None:
        """Wait until it answers; raises `StepFailed` with the end of its log when it has ended or never does."""
        began = time.monotonic()
        while True:
            try:
                link.connect(self.endpoint("template1"), program="dcshift").close()
                return
            except psycopg.OperationalError as refused:
                self.alive(process, log, doing=doing)
                waited = time.monotonic() - began
                if waited > seconds_max:
                    raise self.failed(log, doing=doing, said=str(refused)) from None
                # Its log has a line for each of us that it turned away.
                time.sleep(0.05 if waited < 10 else 2.0)

    def alive(self, process: subprocess.Popen[bytes], log: Path, *, doing: str) -> None:
        """Raise `StepFailed` with the end of its log if it has ended."""
        if process.poll() is not None:
            raise self.failed(log, doing=doing, said=f"it ended with status {process.returncode}")

    def failed(self, log: Path, *, doing: str, said: str) -> StepFailed:
        """Return the error of a server that does not do what it was started for."""
        tail = log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:].strip() if log.exists() else ""
        return StepFailed(
            "server-failed",
            what=f"{doing} failed: the server in {self.data} does not answer",
            why=tail or said,
            state="the source serves; the copy is incomplete and begins again on the next run",
            next="mend the cause, then type the same command again",
        )

    def endpoint(self, database: str) -> Endpoint:
        return private(self.run, self.port, database, self.superuser)

    @contextlib.contextmanager
    def session(self, database: str = "postgres", *, statement_seconds: float = 60.0) -> Iterator[Connection]:
        """Open a session of its superuser."""
        with link.session(
            self.endpoint(database), program="dcshift", statement_seconds=statement_seconds
        ) as connection:
            yield connection

    def stop(self) -> None:
        stop(self.data)

    def _write(self, name: str, text: str) -> None:
        write(self.data / name, text, self.user)
