"""What every move of one system is built from: its declaration, its target, what was observed; it acts on nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalogue.system import System
from catalogue.target import TargetContract
from migration.model.inventory import HostFacts, SystemFacts


@dataclass(frozen=True, slots=True)
class SystemContext:
    """One system as its moves see it.

    Every move adapter is built as `XMove(context, playbooks=..., cluster=..., remote=..., units=..., clock=...)` and
    takes, by keyword, only those ports that it needs.
    """

    system: System
    contract: TargetContract
    facts: SystemFacts
    hosts: Mapping[str, HostFacts]
    """Observed source hosts by inventory name; the only place from which a move takes a host's address."""
    token: Callable[[], int]
    """Return the fencing token of the turn under way. Ask at each effect and hand it to the host that is changed: a
    host refuses a token lower than the highest it has seen, so a paused orchestrator that wakes up changes nothing."""
    state_folder: Path
    """Private folder (0700) of this system for small files that must outlive the process; made before it is given."""
    ca_file: Path | None = None
    """Authority that signs the public sites' certificates; None means the machine's own trust store."""
