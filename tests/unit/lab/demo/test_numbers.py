"""The numbers of the demo are those of the report that the migration writes, in the shape that others may read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from lab.demo.numbers import summarise
from lab.demo.summary import Summary
from lab.traffic.audit import Audit
from migration.model.ending import Outcome
from migration.report import evidence
from migration.store import Pinned
from tests.support.examples import catalogue, contracts, inventory
from tests.support.runs import Stand

_WHOLE = {"type": "integer", "minimum": 0}
_PARTS = ("rows", "tables", "files", "bytes", "jobs", "requests", "requests_failed", "acknowledged", "lost")
_SYSTEM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys((*_PARTS, "duplicated", "proofs_passed", "proofs_failed"), _WHOLE),
        "hold_seconds_max": {"type": "number", "minimum": 0},
        "source_versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "target_versions": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_SYSTEM["required"] = list(_SYSTEM["properties"])
_SUMMARY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "plugin": {"enum": ["official", "stand-in"]},
        "phases": {
            "type": "array",
            "items": {"properties": {"name": {"type": "string"}, "seconds": {"type": "number"}}, "required": ["name"]},
        },
        "systems": {
            "type": "object",
            "properties": {"portal": _SYSTEM, "feedback": _SYSTEM},
            "required": ["portal", "feedback"],
        },
        "memory_peak_bytes": _WHOLE,
        "overhead_ratio": {"type": "number", "minimum": 0},
        "verified": {"type": "boolean"},
    },
}
_SUMMARY["required"] = list(_SUMMARY["properties"])


def _report() -> dict[str, Any]:
    stand = Stand()
    assert stand.go().outcome is Outcome.DONE
    journal = stand.journal()
    run = journal.open_run(stand.plan.id)
    pinned = Pinned(stand.plan, catalogue(), inventory(), contracts())
    return evidence.collect(
        pinned, run, journal.events(run), journal.verify_chain(), now=stand.clock.now(), traffic=None
    )


def test_the_summary_of_a_moved_province_has_the_promised_shape(tmp_path: Path) -> None:
    report = json.loads(json.dumps(_report()))
    counters = {"requests": 90, "failed": 0}
    systems = {name: summarise(name, report, counters, Audit(name, acknowledged=7)) for name in ("portal", "feedback")}
    whole = Summary(bool(report["verified"]), "stand-in", [], systems, 5, float(report["overhead_ratio"]))
    whole.write(tmp_path / "summary.json")
    written = json.loads((tmp_path / "summary.json").read_text())
    jsonschema.validate(written, _SUMMARY)
    assert written["verified"] is True
    portal = written["systems"]["portal"]
    assert portal["proofs_passed"] == report["systems"]["portal"]["proofs_passed"] > 0
    assert portal["hold_seconds_max"] == report["systems"]["portal"]["hold_seconds"] > 0
