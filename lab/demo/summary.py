"""What the demo proved, as numbers: build/demo/summary.json and the few lines a manager reads. It measures nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.addresses import SITES
from lab.demo.screen import Phase


@dataclass(frozen=True, slots=True)
class SystemSummary:
    """One moved system in numbers."""

    rows: int
    tables: int
    files: int
    bytes: int
    jobs: int
    hold_seconds_max: float
    requests: int
    requests_failed: int
    acknowledged: int
    lost: int
    duplicated: int
    proofs_passed: int
    proofs_failed: int
    source_versions: dict[str, str]
    target_versions: dict[str, str]

    @property
    def verified(self) -> bool:
        """Say whether proofs passed, none failed, and of the acknowledged writes none was lost or doubled.

        A failed request is told but decides nothing: a busy machine may be late before and after the move too.
        """
        proved = self.proofs_passed > 0 and self.proofs_failed == 0
        return proved and self.acknowledged > 0 and self.lost == 0 and self.duplicated == 0


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole demo in numbers."""

    report_verified: bool
    """What the report says of itself: the journal's chain is intact and no proof of a step failed."""
    plugin: str
    phases: list[dict[str, str | float]]
    systems: dict[str, SystemSummary]
    memory_peak_bytes: int
    overhead_ratio: float

    @property
    def verified(self) -> bool:
        """Say whether every system of the lab is in and verified, and the report too."""
        return (
            self.report_verified
            and set(self.systems) == set(SITES)
            and all(system.verified for system in self.systems.values())
        )

    def write(self, path: Path) -> None:
        """Write the summary atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        numbers = {name: value for name, value in asdict(self).items() if name != "report_verified"}
        fresh.write_text(json.dumps(numbers | {"verified": self.verified}, indent=2, ensure_ascii=False) + "\n")
        fresh.replace(path)

    def sentences(self, report: Path) -> list[str]:
        """Return the ending that answers: is it moved, is anything lost, what now."""
        lost = sum(system.lost for system in self.systems.values())
        doubled = sum(system.duplicated for system in self.systems.values())
        lines = [
            f"Moved: {' and '.join(self.systems) or 'nothing'}. "
            f"Lost: {lost or 'nothing'}. Doubled: {doubled or 'nothing'}."
        ]
        for name, system in self.systems.items():
            proofs = system.proofs_passed + system.proofs_failed
            lines.append(
                f"  {name:<10} {system.rows:>9,} rows  {system.files:>6,} files  "
                f"{system.acknowledged:>6,} writes acknowledged, {system.lost} lost, {system.duplicated} doubled   "
                f"{system.proofs_passed} of {proofs} proofs"
            )
            lines.append(
                f"  {'':<10} held {system.hold_seconds_max:.1f} s at most · {system.requests:,} requests, "
                f"{system.requests_failed} failed · {_versions(system)}"
            )
        lines += [f"  open       https://{host}   (dcshift lab open {name})" for name, host in SITES.items()]
        lines.append(f"  report     {report}")
        lines.append(
            "  back       dcshift rollback SYSTEM   (refused after release in this version; see docs/limits.md)"
        )
        return lines


def phase_rows(phases: list[Phase]) -> list[dict[str, str | float]]:
    """Return the phases as summary.json holds them."""
    return [{"name": phase.name, "seconds": round(phase.seconds, 1)} for phase in phases]


def _versions(system: SystemSummary) -> str:
    parts = sorted(set(system.source_versions) | set(system.target_versions))
    unknown = "?"
    return ", ".join(
        f"{part} {system.source_versions.get(part, unknown)} → {system.target_versions.get(part, unknown)}"
        for part in parts
    )
