"""Speaks with `dcshift-gate` on an edge host and understands its answers; it decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from migration.errors import StepFailed
from migration.ports import Remote

_TOOL: Final = "/usr/local/sbin/dcshift-gate"


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """One site behind the gate, as the running gate and its files have it."""

    state: str
    decided: str
    hosts: tuple[str, ...]
    waiting: int
    waited: int
    longest_wait_seconds: float
    under_way: dict[str, int]
    requests_since_switch: dict[str, int]


@dataclass(frozen=True, slots=True)
class GateStatus:
    """The whole gate."""

    sites: dict[str, SiteStatus]
    direct_connections: int
    """Connections from other hosts that reach the web server past the gate."""
    redirected: bool
    hold_seconds_max: int
    haproxy: str


class GateTool:
    """The gate of one edge host, over a warm connection."""

    def __init__(self, remote: Remote, host: str) -> None:
        self._remote, self._host = remote, host

    def installed(self) -> bool:
        """Return whether the host has the tool; raises `StepFailed` when the host cannot be asked."""
        said = self._remote.run(self._host, ["sh", "-c", f"test -x {_TOOL} && echo yes || echo no"])
        return said.strip() == "yes"

    def status(self) -> GateStatus:
        """Read the gate; raises `StepFailed` when it does not run."""
        return parse(self._run(["status"]))

    def change(self, words: Sequence[str], *, turn: str, timeout_seconds: float = 10.0) -> GateStatus:
        """Run a changing verb under a turn, and return what the tool read back."""
        return parse(self._run(["--turn", turn, *words], timeout_seconds=timeout_seconds))

    def _run(self, words: Sequence[str], *, timeout_seconds: float = 10.0) -> str:
        return self._remote.run(self._host, ["sudo", "-n", _TOOL, *words], timeout_seconds=timeout_seconds)


def parse(text: str) -> GateStatus:
    """Return the status that the tool printed; raises `StepFailed` when it is not one."""
    try:
        said = json.loads(text)
        fields = SiteStatus.__dataclass_fields__
        sites = {
            name: SiteStatus(**{key: tuple(value) if key == "hosts" else value for key, value in site.items()
                                if key in fields})
            for name, site in said["sites"].items()
        }  # fmt: skip
        return GateStatus(
            sites=sites,
            direct_connections=int(said["direct_connections"]),
            redirected=bool(said["redirected"]),
            hold_seconds_max=int(said["hold_seconds_max"]),
            haproxy=str(said["haproxy"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as odd:
        raise StepFailed(
            "gate-not-understood",
            what="the gate's tool gave an answer of another version",
            why=f"{odd!r} in {text[:300]!r}",
            state="the gate is as it was",
            next="dcshift run   (prepare installs this version's tool)",
        ) from odd
