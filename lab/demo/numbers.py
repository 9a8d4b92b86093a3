"""Takes one system's numbers for the summary from the report, the citizens' counters and the audit; it adds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.demo.summary import SystemSummary
from lab.traffic.audit import Audit


def summarise(system: str, report: Mapping[str, Any], counters: Mapping[str, Any], audit: Audit) -> SystemSummary:
    """Return one system in numbers; a write that was altered counts as lost, whatever is left of it."""
    moved = report["systems"][system]
    return SystemSummary(
        rows=moved["rows"],
        tables=moved["tables"],
        files=moved["files"],
        bytes=moved["bytes"],
        jobs=moved["jobs"],
        hold_seconds_max=float(moved["hold_seconds"] or 0.0),
        requests=int(counters["requests"]),
        requests_failed=int(counters["failed"]),
        acknowledged=audit.acknowledged,
        lost=len(audit.lost) + len(audit.altered),
        duplicated=len(audit.duplicated),
        proofs_passed=moved["proofs_passed"],
        proofs_failed=moved["proofs_failed"],
        source_versions=moved["source_versions"],
        target_versions=moved["target_versions"],
    )
