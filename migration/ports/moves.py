"""What is moved: one component of one system on both sides, with the verbs of the stages.

Each effect has its probe (re-read from the world) and its way back (idempotent). Rules for every move:
- a verb returns only when its effect was re-read from the side it changed; otherwise it raises `StepFailed`;
- a verb may be called again after a crash at any moment and must reach the same state;
- an undo may be called when nothing, half or all was done;
- no verb waits without a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from migration.model.repair import OddRows, Repaired
from migration.model.words import Facts, Finding, Probe, Progress, Proof, Side

OnProgress = Callable[[Progress], None]


class DatabaseMove(Protocol):
    """The database of one system."""

    def check(self) -> Sequence[Finding]:
        """Return what speaks against the move, read from both sides now: settings, versions, keys."""

    def prepare(self) -> Facts:
        """Create roles, grants, marker and fence on the source, and make the target read-only for the application."""

    def prepared(self) -> Probe: ...

    def unprepare(self) -> None: ...

    def replicate(self, on_progress: OnProgress) -> Facts:
        """Copy schema, rows and large objects from an exported snapshot, then follow changes until the lag is small."""

    def replicated(self) -> Probe: ...

    def unreplicate(self) -> None:
        """Drop subscription, slot, publication and everything that was copied."""

    def fence(self) -> Facts:
        """Keep everyone but the migration out of the source, prove it, and see the last commit arrive on the target."""

    def fenced(self) -> Probe: ...

    def unfence(self) -> None: ...

    def at_rest(self) -> Probe:
        """Say whether the source still is what was compared: fenced, nobody else inside, nothing written since.

        Asked right before the release, while citizens wait: it reads the source alone, in milliseconds.
        """

    def hand_over(self) -> Facts:
        """Under the fence: sequences, large objects, views; stop following; let the application write on the target."""

    def handed_over(self) -> Probe: ...

    def take_back(self) -> None:
        """Make the target read-only again and follow the source again."""

    def retire_stream(self) -> Facts:
        """After release: drop subscription and slot, so the source keeps no log for us."""

    def stream_retired(self) -> Probe: ...

    def prove(self, *, frozen: bool, seconds_max: float | None = None, values: bool = False) -> Sequence[Proof]:
        """Compare both sides at one moment: rows, sequences, large objects, schema, grants.

        What takes longer than `seconds_max` is given up, and no proof passes then.
        `frozen`: the source is fenced and the target has no writer. Otherwise a moment is made by a short lock.
        `values`: differences say keys and values of rows, which are personal data, for a person who asked for them.
        """

    def odd_rows(self) -> Sequence[OddRows]:
        """Return the rows that differ at one moment, of a target that follows; refuses any other."""

    def repair(self, agreed: Sequence[OddRows]) -> Repaired:
        """Look again, and make those of these rows that still differ on the target what they are at the source.

        May be broken off and called again: each batch is done or not.
        """


class FilesMove(Protocol):
    """All file sets of one system."""

    def check(self) -> Sequence[Finding]:
        """Return what speaks against the move; includes whether the store rejects wrong checksums, and free space."""

    def prepare(self) -> Facts: ...

    def prepared(self) -> Probe: ...

    def unprepare(self) -> None: ...

    def replicate(self, on_progress: OnProgress) -> Facts:
        """Bulk pass, then delta passes until one is small."""

    def replicated(self) -> Probe: ...

    def unreplicate(self) -> None:
        """Remove every object that we wrote."""

    def converge(self) -> Facts:
        """One delta pass while the source still serves, so that the last one is short."""

    def hand_over(self) -> Facts:
        """Under the freeze: the last delta pass; then names, sizes and hashes of what changed are compared."""

    def handed_over(self) -> Probe: ...

    def take_back(self) -> None: ...

    def prove(self, *, frozen: bool, full: bool) -> Sequence[Proof]:
        """Compare the manifest of both sides; `full` re-reads the content of every object.

        When the source is not frozen, files that changed during the comparison are compared again.
        """


class JobsMove(Protocol):
    """All that one system does unasked: its scheduled jobs, and its workers."""

    def check(self) -> Sequence[Finding]: ...

    def disarm_source(self) -> Facts:
        """Disarm every job and stop every worker on the source, and wait until none of them is alive."""

    def source_disarmed(self) -> Probe: ...

    def rearm_source(self) -> None: ...

    def arm_target(self) -> Facts: ...

    def target_armed(self) -> Probe: ...

    def disarm_target(self) -> None: ...

    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        """Prove that each job and worker is armed on exactly the serving side; on none when `serving` is None."""


class WebMove(Protocol):
    """The web process of one system."""

    def check(self) -> Sequence[Finding]: ...

    def target_ready(self) -> Probe:
        """Say whether the target's pods are ready and answer through the target's own gateway."""

    def target_answers(self) -> Probe:
        """Say whether the target answers now through its own gateway; asked while citizens wait."""

    def capture_pages(self) -> Facts:
        """Read the public pages from the source, past the gate, as a user reads them; the facts hold their hashes."""

    def prove_pages(self, captured: Facts) -> Sequence[Proof]:
        """Compare the pages of the target, read through its own gateway, with those captured."""

    def stop_source(self) -> Facts: ...

    def source_stopped(self) -> Probe: ...

    def start_source(self) -> None: ...


class TrafficMove(Protocol):
    """The public traffic of one system, through the gate."""

    def check(self) -> Sequence[Finding]: ...

    def install_gate(self) -> Facts:
        """Put the gate in front of the source site, without a refused request, and prove that it serves and holds."""

    def gate_installed(self) -> Probe: ...

    def remove_gate(self) -> None: ...

    def hold(self) -> Facts:
        """Let requests wait, and return when none is under way at the source."""

    def held(self) -> Probe: ...

    def release_to_source(self) -> None: ...

    def release_to_target(self) -> Facts:
        """Send the waiting and all further requests to the target: the point of no return.

        Refuses a site that is not held now, or whose source is not idle: the gate itself looks and switches in one.
        """

    def released_to_target(self) -> Probe: ...

    def prove(self, *, serving: Side) -> Sequence[Proof]:
        """Prove by the gate's own counters and by a request that only this side serves."""


@dataclass(frozen=True, slots=True)
class Moves:
    """All five components of one system."""

    database: DatabaseMove
    files: FilesMove
    jobs: JobsMove
    web: WebMove
    traffic: TrafficMove
