"""What every order to carry a tree of files says of its source, whatever the target is; it holds no secret itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class TreeJob(BaseModel):
    """A folder at the source, how it is reached, and within which limits it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    name: str
    token: int = Field(ge=0)
    """Fencing token of the turn that ordered it; target and machine refuse it when a later turn has begun. 0: no turn,
    which may look and carries nothing."""
    source: str
    """The folder at the source."""
    reach: list[str] = []
    """Words that reach the source's host, its name last, such as `ssh -i key user@host`; empty for this machine."""
    become: list[str] = ["sudo", "-n"]
    """Words before a command on the source's host that let it read every file."""
    left_behind: list[str] = []
    """Patterns of paths that the target cannot hold and that people decided not to carry."""
    staging: Path
    """Folder of ours on this machine, for what we remember from one pass to the next."""
    limit_file: Path | None = None
    """File with the bytes a second that may pass while the source serves: `movers/throttle.py`."""
    source_limits_file: Path | None = None
    """File with the limits within which the source is spared: `movers/limits.py`."""
    passes_max: int = Field(default=6, ge=1)
    small_pass_files: int = 50
    """A pass that carried no more files than this ends the replication: the next one will be as small."""
    pull_seconds_max: float = 24 * 3600.0
