"""Collects the evidence of a run from plan and journal as one JSON document; pure, and it judges nothing anew."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from migration.account import SystemAccount, accounts, overhead_ratio, spans, state_of
from migration.journal import Chain
from migration.model.plan import Step
from migration.model.run import Event, Kind, RunState, Status, Verb
from migration.model.words import Component, Proof, RunId, Stage, StepId
from migration.store import Pinned

_INCIDENTS = (Kind.FAILED, Kind.UNDO_FAILED, Kind.PROBED, Kind.INTERRUPTED, Kind.REPAIR)


def collect(
    pinned: Pinned,
    run: RunId,
    events: Sequence[Event],
    chain: Chain,
    *,
    now: float,
    traffic: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return everything that an auditor asks; `traffic` is what citizens' load generator counted, if there was one."""
    plan, state = pinned.plan, state_of(events)
    systems = {
        each.system: _system(pinned, each, state, events, (traffic or {}).get("systems", {}).get(each.system))
        for each in accounts(plan, events)
    }
    return {
        "made_at": _moment(now),
        "province": pinned.catalogue.province.name.model_dump(),
        "run": run,
        "plan": plan.id,
        "catalogue_hash": plan.catalogue_hash,
        "inventory_hash": plan.inventory_hash,
        "observed_at": pinned.inventory.observed_at,
        "contracts": dict(plan.contracts),
        "chain": {"records": chain.records, "head": chain.head, "intact": chain.broken_at is None},
        "verified": chain.broken_at is None
        and all(each["state"] == "moved" and each["proofs_failed"] == 0 for each in systems.values()),
        "overhead_ratio": overhead_ratio(events),
        "systems": systems,
        "timeline": [
            {
                "step": span.step,
                "system": plan.step(span.step).system,
                "component": plan.step(span.step).component,
                "stage": plan.step(span.step).stage,
                "holds_users": plan.step(span.step).holds_users,
                "verb": span.verb,
                "began_at": span.began_at,
                "ended_at": span.ended_at,
                "outcome": span.outcome,
            }
            for span in spans(events)
        ],
        "asked": [_asked(event) for event in events if event.kind is Kind.WANTED],
        "incidents": [_incident(event) for event in events if _is_incident(event)],
        # Approvals bound to the plan's hash are not asked for yet; the page keeps their place and says so.
        "approvals": [],
        "traffic": dict(traffic) if traffic else None,
    }


def _system(
    pinned: Pinned, account: SystemAccount, state: RunState, events: Sequence[Event], met: Mapping[str, Any] | None
) -> dict[str, Any]:
    plan, name = pinned.plan, account.system
    system, facts, contract = pinned.catalogue.system(name), pinned.inventory.systems[name], pinned.contracts[name]
    took = _seconds(events)
    steps = [_step(step, state, took) for step in plan.of(name)]
    final = {proof.name: proof for step in plan.of(name) for proof in state.step(step.id).proofs if _counts(step)}
    rows, files = final.get("rows"), _files(final)
    database_bytes = facts.database.size_bytes
    return {
        "name": system.name.model_dump(),
        "level": system.level,
        "decision": system.decision.model_dump(mode="json"),
        "wave": system.wave,
        "state": account.state,
        "steps_done": account.steps_done,
        "rows": _figure(rows, "rows", sum(max(0, table.rows_estimate) for table in facts.database.tables)),
        "tables": _figure(rows, "tables", len(facts.database.tables)),
        "large_objects": _figure(final.get("large-objects"), "large_objects", facts.database.large_objects),
        "files": _first_figure(files, ("files", "objects", "source"), sum(f.files for f in facts.files.values())),
        "bytes": database_bytes + _first_figure(files, ("bytes",), sum(f.size_bytes for f in facts.files.values())),
        "jobs": len(system.jobs),
        "hold_seconds": account.hold_seconds,
        "engine": dataclasses.asdict(engine) if (engine := plan.engine(name)) else None,
        "hold_allowed_seconds": dict(plan.hold_max_seconds)[name],
        "proofs_passed": account.proofs_passed,
        "proofs_failed": account.proofs_failed,
        "proofs": [
            {"step": step.id, **_proof(proof)} for step in plan.of(name) for proof in state.step(step.id).proofs
        ],
        "source_versions": {
            "PostgreSQL": facts.database.server_version,
            "system": pinned.inventory.hosts[system.source.web.host].distribution,
            "release": system.web.release or "–",
        },
        "target_versions": {
            "PostgreSQL": str(contract.database.major),
            "system": "Kubernetes",
            "release": contract.web.release,
        },
        "steps": steps,
        "deviations": [
            step for step in steps if step["seconds"] is not None and step["seconds"] > step["budget_seconds"]
        ],
        "traffic": dict(met) if met else None,
    }


def _counts(step: Step) -> bool:
    """Say whether a step's counts are final: the freeze compares everything, later steps only confirm."""
    return step.stage is not Stage.WATCH


def _step(step: Step, state: RunState, took: Mapping[StepId, float]) -> dict[str, Any]:
    seen = state.step(step.id)
    return {
        "id": step.id,
        "stage": step.stage,
        "component": step.component,
        "sentence": step.sentence,
        "status": seen.status,
        "attempts": seen.attempts,
        "seconds": took.get(step.id) if seen.status is Status.DONE else None,
        "budget_seconds": step.budget_seconds,
        "holds_users": step.holds_users,
        "point_of_no_return": step.point_of_no_return,
        "proofs_passed": sum(proof.passed for proof in seen.proofs),
    }


def _seconds(events: Sequence[Event]) -> dict[StepId, float]:
    done = [span for span in spans(events) if span.verb is Verb.DO and span.outcome == Kind.DONE]
    return {span.step: round((span.ended_at or span.began_at) - span.began_at, 3) for span in done}


def _files(final: Mapping[str, Proof]) -> Proof | None:
    named = [proof for name, proof in final.items() if name.split("/")[0] == Component.FILES]
    return named[-1] if named else None


def _figure(proof: Proof | None, name: str, observed: int) -> int:
    """Return what a proof counted; before there is one, what the survey observed."""
    return _first_figure(proof, (name,), observed)


def _first_figure(proof: Proof | None, names: Sequence[str], observed: int) -> int:
    for name in names:
        value = proof.figures.get(name) if proof else None
        if isinstance(value, int):
            return value
    return observed


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "name": proof.name,
        "passed": proof.passed,
        "sentence": proof.sentence,
        "figures": dict(proof.figures),
        "differences": list(proof.differences),
    }


def _asked(event: Event) -> dict[str, Any]:
    content = event.content
    return {
        "at": _moment(event.at),
        "by": content.get("by", ""),
        "want": content["want"],
        "systems": content["systems"],
        "until": content.get("until", ""),
        "holder": content.get("holder", ""),
    }


def _is_incident(event: Event) -> bool:
    return event.kind in _INCIDENTS


def _incident(event: Event) -> dict[str, Any]:
    error = event.content.get("error")
    if isinstance(error, dict):
        sentence = f"{error['what']}: {error['why']}"
    elif event.kind is Kind.PROBED:
        sentence = f"its process had ended without a result; the world said {event.content['state']}: " + str(
            event.content["sentence"]
        )
    elif event.kind is Kind.REPAIR:
        sentence = (
            f"repair of {event.content['system']}, asked for by {event.content['by']}: {event.content['sentence']}"
        )
    else:
        sentence = f"stopped safely by {event.content.get('signal', 'a signal')}"
    return {"at": _moment(event.at), "kind": event.kind, "step": event.step or "", "sentence": sentence}


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
