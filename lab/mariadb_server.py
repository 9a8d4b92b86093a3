"""A private MariaDB server on the loopback, in a folder of its own, as the mover's tests need two of them.

Programs come from DCSHIFT_TEST_MARIADB_SOURCE and _TARGET (folders that packages were unpacked into); else the source's
are what set-up fetched of Debian 11, and the target's what this Debian installed. It stops only what it started, by
process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pymysql

from lab.command import run
from lab.errors import LabError
from lab.loopback import HOST, begin, end, unready
from lab.toolchain import mariadb_servers

_READY_SECONDS_MAX: Final = 120.0
_BY: Final = signal.SIGTERM
"""To SIGINT it does not listen."""
# What a private server needs little of; the rest is as Debian has it.
_SMALL: Final = (
    "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0",
    "--performance-schema=OFF", "--skip-name-resolve",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Programs:
    """Where a server's programs lie: `/`, or a folder that packages were unpacked into."""

    root: Path

    @property
    def folder(self) -> Path:
        """Return where the clients are."""
        return self.root / "usr/bin"

    @property
    def server(self) -> Path:
        return self.root / "usr/sbin/mariadbd"

    @property
    def base(self) -> tuple[str, ...]:
        share = self.root / "usr/share/mysql"
        return (
            f"--basedir={self.root / 'usr'}",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
        )

    @property
    def environment(self) -> dict[str, str]:
        libraries = {} if self.root == Path("/") else {"LD_LIBRARY_PATH": str(self.root / "usr/lib/x86_64-linux-gnu")}
        return {"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": "/nonexistent", **libraries}


def programs() -> tuple[Programs, Programs] | None:
    """Return the programs of source and target, or None when this machine has none."""
    older = mariadb_servers.place() if mariadb_servers.installed() else Path("/")
    source = Programs(Path(os.environ.get("DCSHIFT_TEST_MARIADB_SOURCE", older)))
    target = Programs(Path(os.environ.get("DCSHIFT_TEST_MARIADB_TARGET", "/")))
    return (source, target) if source.server.exists() and target.server.exists() else None


@dataclass
class MariadbServer:
    """One server, whose administrator is `root` with a password."""

    folder: Path
    programs: Programs
    port: int
    password: str = field(repr=False)
    settings: Mapping[str, str]
    """Words of its command line, without dashes."""
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        """Start it, made first where it is not there. Raises `LabError` when it does not come up."""
        data, log = self.folder / "data", self.folder / "log"
        fresh = not data.exists()
        if fresh:
            self.create(data)
        argv = [str(self.programs.server), "--no-defaults", *self.programs.base, *_SMALL, *self._as(), *self._words()]
        self.process = begin([*argv, f"--datadir={data}"], log, env=self.programs.environment, by=_BY)
        password = "" if fresh else None
        if why := unready(self.process, log, lambda: self._refused(password), seconds_max=_READY_SECONDS_MAX):
            self.stop()
            raise LabError(
                "mariadb-unready",
                what=f"a MariaDB server out of {self.programs.root} did not come up on the loopback",
                why=why,
                state="it was stopped; nothing else was changed",
                next="look at the machine's load, then run the same command again",
            )
        if fresh:
            with self.session(password="") as root:
                root.cursor().execute("SET SESSION sql_log_bin = 0")
                root.cursor().execute("SET PASSWORD = PASSWORD(%s)", (self.password,))

    def _refused(self, password: str | None) -> str | None:
        try:
            self.session(password=password).close()
        except pymysql.err.OperationalError as refused:
            return str(refused)
        return None

    def create(self, data: Path) -> None:
        """Make its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        install = self.programs.folder / "mariadb-install-db"
        words = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin", *self._as()]
        base = f"--basedir={self.programs.root / 'usr'}"
        run(
            [install, "--no-defaults", base, f"--datadir={data}", *words, *_SMALL],
            cwd=self.folder,
            env=self.programs.environment,
        )

    def stop(self) -> None:
        """End it, and the sessions on it."""
        end(self.process, by=_BY)

    def session(self, database: str | None = None, user: str = "root", password: str | None = None) -> Any:
        """Open a session, of the administrator if not told otherwise, in autocommit."""
        word = self.password if password is None else password
        return pymysql.connect(
            host=HOST, port=self.port, user=user, password=word, database=database, charset="utf8mb4", autocommit=True,
            ssl_disabled=True, read_timeout=60, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
        )  # fmt: skip

    def run(self, script: str, database: str | None = None, *, unlogged: bool = False) -> list[tuple[Any, ...]]:
        """Run statements as the administrator; return the rows of the last one."""
        with self.session(database) as root, root.cursor() as cursor:
            if unlogged:
                cursor.execute("SET SESSION sql_log_bin = 0")
            cursor.execute(script)
            rows = list(cursor.fetchall())
            while cursor.nextset():
                rows = list(cursor.fetchall())
            return rows

    def _as(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def _words(self) -> list[str]:
        own = {"port": str(self.port), "bind-address": HOST, "socket": str(self.folder / "socket")}
        own |= {"log-error": str(self.folder / "log"), "pid-file": str(self.folder / "pid")}
        return [f"--{name}={value}" for name, value in {**own, **self.settings}.items()]
