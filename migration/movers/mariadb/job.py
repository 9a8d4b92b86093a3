"""The order for a move of databases of one MariaDB server; it holds passwords and is read like any job."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from migration.movers import job as jobs

Tls = Literal["verify", "require", "off"]
_SIDES: Final = ("source", "target")
_OURS: Final = ("dcshift", "information_schema", "mysql", "performance_schema", "sys")


class MariadbServer(BaseModel):
    """Where a server is reached by the mover, and as whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "localhost"
    """Name that the server's certificate carries."""
    port: int = Field(default=3306, ge=1, le=65535)
    socket: Path | None = None
    """A Unix socket of this machine, instead of host and port."""
    user: str
    password: SecretStr
    tls: Tls = "verify"
    tls_root: Path | None = None
    """The authority's certificates; without it those that this machine trusts."""

    def words(self) -> dict[str, object]:
        """Return how PyMySQL is told to reach it, with the password; never log them."""
        place: dict[str, object] = {"unix_socket": str(self.socket)} if self.socket else {"host": self.host}
        secure: dict[str, object] = {"ssl": self._context()} if self.is_encrypted else {"ssl_disabled": True}
        password = self.password.get_secret_value()
        return {**place, **secure, "port": self.port, "user": self.user, "password": password}

    def option_file(self) -> str:
        """Return the options by which MariaDB's own programs find it, with the password; for a private file."""
        place = {"socket": str(self.socket)} if self.socket else {"host": self.host, "port": str(self.port)}
        place["protocol"] = "socket" if self.socket else "tcp"
        said = {**place, "user": self.user, "password": self.password.get_secret_value()}
        if self.is_encrypted:
            said |= {"ssl": "1", "ssl-verify-server-cert": "1" if self.tls == "verify" else "0"}
            said |= {"ssl-ca": str(self.tls_root)} if self.tls_root else {}
        else:
            said |= {"skip-ssl": "1"}
        escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in said.items()}
        return "[client]\n" + "".join(f'{name}="{value}"\n' for name, value in escaped.items())

    @property
    def is_encrypted(self) -> bool:
        return self.socket is None and self.tls != "off"

    @property
    def shown(self) -> str:
        return str(self.socket) if self.socket else f"{self.host}:{self.port}"

    def revealed(self) -> dict[str, object]:
        """Return the fields with the password in clear, for a job that is handed on through a pipe."""
        return {**self.model_dump(mode="json"), "password": self.password.get_secret_value()}

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.tls_root)
        if self.tls == "require":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class Reach(BaseModel):
    """A server as the other server reaches it for its stream; the account is made, and taken away, by the mover."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(default=3306, ge=1, le=65535)
    tls: Tls = "verify"
    tls_root: str | None = None
    """Path of the authority's certificates on the machine of the server that reads."""


class MariadbJob(BaseModel):
    """Everything one move needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(pattern=r"^[a-z0-9-]{1,20}$")
    token: int = Field(ge=0)
    """Fencing token of the turn that ordered it; the target refuses it when a later turn has begun."""
    source: MariadbServer
    target: MariadbServer
    databases: tuple[str, ...] = Field(min_length=1)
    """All of the server's: its transactions may touch several, and there is one stream."""
    feed: Reach
    """The source as the target's server reaches it."""
    back: Reach
    """The target as the source's server reaches it, for the way back."""
    programs: Path | None = None
    """Folder with mariadb and mariadb-dump; without it, those on PATH."""
    limit_file: Path | None = None
    """File with the bytes a second that may pass while the source serves: `movers/throttle.py`."""
    catch_up_seconds_max: float = Field(default=3600.0, gt=0)
    copy_seconds_max: float = Field(default=12 * 3600.0, gt=0)
    hold_seconds_max: float = Field(default=60.0, gt=0)
    """How long nobody may write, at most, while the sides are exchanged; a cut that takes longer is taken back."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if odd := [name for name in self.databases if name.lower() in _OURS or not name]:
            raise ValueError(f"not to be moved: {', '.join(odd)}")
        if len(set(self.databases)) < len(self.databases):
            raise ValueError("a database is named twice")
        for side in _SIDES:
            server: MariadbServer = getattr(self, side)
            if server.socket is None and server.tls == "off":
                raise ValueError(f"{side} would send citizens' data over a network without TLS")
        return self

    @property
    def channel(self) -> str:
        """Name of the replication channel, of the account that it reads with, and of the mover's lock."""
        return f"dcshift_{self.system.replace('-', '_')}"

    def as_json(self) -> str:
        """Return the whole job with its passwords, for a pipe; never for a log or a file that stays."""
        return json.dumps({**self.model_dump(mode="json"), **{side: getattr(self, side).revealed() for side in _SIDES}})


def read(where: str) -> MariadbJob:
    """Read a job from a file, or from stdin for `-`; a unit gets it as the secret named `job`."""
    return MariadbJob.model_validate_json(jobs.text_of(where))
