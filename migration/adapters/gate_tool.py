"""Speaks with `dcshift-gate` on an edge host and understands its answers; it decides nothing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from migration.errors import StepFailed
from migration.ports import Remote

_TOOL: Final = "/usr/local/sbin/dcshift-gate"
_ABSENT: Final = "absent"
_STATUS_SECONDS_MAX: Final = 12.0
"""More than the tool itself waits for a change that is under way."""


class SiteStatus(BaseModel):
    """One site behind the gate: what runs (`state`), what a restart would bring (`decided`), and its counters."""

    model_config = ConfigDict(frozen=True)

    state: str
    decided: str
    waiting: int
    waited: int
    longest_wait_seconds: float
    under_way: dict[str, int]
    requests_since_switch: dict[str, int]


class GateStatus(BaseModel):
    """The whole gate. `direct_connections` are those from other hosts that reach the web server past it; `redirected`
    is read by `status` only, because a change is made in haste.
    """

    model_config = ConfigDict(frozen=True)

    sites: dict[str, SiteStatus]
    direct_connections: int
    redirected: bool | None = None
    stale_settings: list[str] = []
    """Settings that were changed on disk after the gate started; it does not know them."""
    hold_seconds_max: int
    haproxy: str


class GateTool:
    """The gate of one edge host, over a warm connection."""

    def __init__(self, remote: Remote, host: str) -> None:
        self._remote, self._host = remote, host

    def status(self, *, turn: str | None = None) -> GateStatus | None:
        """Read the gate; None where none is installed. Raises `StepFailed` when it or its host does not answer.

        With a turn the answer may be acted on: a switch that is on its way has ended before it, or is refused after it
        if it was sent under an older turn. A command that was cut off here may still run over there.
        """
        words = ["sudo", "-n", _TOOL, *(["--turn", turn] if turn else []), "status"]
        script = f"test -x {_TOOL} || {{ echo {_ABSENT}; exit 0; }}; exec {shlex.join(words)}"
        said = self._remote.run(self._host, ["sh", "-c", script], timeout_seconds=_STATUS_SECONDS_MAX)
        return None if said.strip() == _ABSENT else parse(said)

    def change(self, words: Sequence[str], *, turn: str, timeout_seconds: float = 10.0) -> GateStatus:
        """Run a changing verb under a turn, and return what the tool read back afterwards."""
        argv = ["sudo", "-n", _TOOL, "--turn", turn, *words]
        return parse(self._remote.run(self._host, argv, timeout_seconds=timeout_seconds))


def parse(text: str) -> GateStatus:
    """Return the status that the tool printed; raises `StepFailed` when it is not one."""
    try:
        return GateStatus.model_validate_json(text)
    except ValidationError as odd:
        raise StepFailed(
            "gate-not-understood",
            what="the gate's tool gave an answer of another version",
            why=str(odd)[:1_000],
            state="the gate is as it was",
            next="dcshift run   (prepare installs this version's tool)",
        ) from odd
