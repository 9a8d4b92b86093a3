"""The order that a mover of a database is given; it holds passwords, so it is read from stdin or a private file."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, Field

from migration.errors import UsageError
from migration.movers.link import Endpoint, quoted

_SIDES = ("source", "target", "feed")


class Words(argparse.ArgumentParser):
    """A mover's command line; what is wrong with it is said like any other error of a mover."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(
            "mover-words-unclear",
            what="it is not clear what the mover shall do",
            why=message,
            state="nothing was touched",
            next=f"{self.prog} --help",
        )


class PostgresJob(BaseModel):
    """Everything one copy of one database needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    token: int
    """Fencing token of the turn that ordered it; the source refuses it when a later turn has begun."""
    source: Endpoint
    target: Endpoint
    feed: Endpoint
    """The source as the target's server reaches it, for the stream of changes."""
    owner: str
    """Owner of every object on the target."""
    name: str
    """Name of slot and subscription."""
    publication: str = "dcshift"
    limit_file: Path | None = None
    """File with the bytes a second that may pass while the source serves: `movers/throttle.py`."""
    source_limits_file: Path | None = None
    """File with the limits within which the source is spared: `movers/limits.py`."""
    workers: int = Field(default=2, ge=1, le=16)
    lag_bytes_max: int = Field(default=1_048_576, ge=0)
    catch_up_seconds_max: float = 3600.0
    copy_seconds_max: float = 12 * 3600.0

    def as_json(self) -> str:
        """Return the whole job with its passwords, for a pipe; never for a log or a file that stays."""
        return json.dumps({**self.model_dump(mode="json"), **{side: getattr(self, side).revealed() for side in _SIDES}})

    @property
    def program(self) -> str:
        """Name of the mover's own sessions on both servers: what is left of a killed one is found by it."""
        return f"dcshift-mover-{self.system}"

    @property
    def as_owner(self) -> str:
        return f"SET ROLE {quoted(self.owner)}"


def read(where: str) -> PostgresJob:
    """Read a job from a file, or from stdin for `-`; a unit gets it as the secret named `job`."""
    return PostgresJob.model_validate_json(text_of(where))


def text_of(where: str) -> str:
    """Return the text of a job, out of the unit's secrets if it lies there."""
    text = sys.stdin.read() if where == "-" else Path(where).read_text()
    with contextlib.suppress(ValueError):
        secrets = json.loads(text)
        if isinstance(secrets, dict) and set(secrets) == {"job"}:
            return str(secrets["job"])
    return text
