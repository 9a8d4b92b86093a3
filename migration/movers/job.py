"""The order that a mover of a database is given; it holds passwords, so it is read from stdin or a private file."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from migration.errors import UsageError
from migration.movers.link import Endpoint, quoted

_Job = TypeVar("_Job")
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


def given(where: str, read: Callable[[str], _Job], program: str) -> _Job:
    """Read the job that a program was given; raises `UsageError` that names what is wrong and repeats no value."""
    try:
        return read(where)
    except (OSError, ValueError) as bad:
        # pydantic's message could repeat a password: name the fields only, and what our own models say of the whole.
        fields = (
            [".".join(map(str, e["loc"])) or e["msg"] for e in bad.errors()]
            if isinstance(bad, ValidationError)
            else [str(bad)]
        )
        raise UsageError(
            "bad-job",
            what="the job could not be read",
            why=f"wrong or missing: {', '.join(fields)}",
            state="nothing was touched",
            next=f"{program} --help",
        ) from None


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
    """How many pieces are at work at once, copies and indexes together: no more than the target has cores."""
    big_table_bytes: int = Field(default=64 * 2**20, ge=0)
    """From this size on a table's indexes are built apart, and it may be read in parts: below it that does not pay."""
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
