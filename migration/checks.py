"""Findings about a plan before anything is done: what changed since it was made, and what the calendar says; pure."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence

from catalogue import contract_changes
from catalogue.load import Catalogue
from catalogue.province import Province
from catalogue.system import System
from catalogue.target import TargetContract, written_hash
from migration.model.inventory import Inventory, SystemFacts
from migration.model.plan import Plan
from migration.model.run import RunState, Status, system_of
from migration.model.words import Component, Finding, Severity, Stage

_INVENTORY_OLD_DAYS = 7
_DECISION_ENDS_SOON_DAYS = 30
_CERTIFICATE_ENDS_SOON_DAYS = 14
_CLOCK_OFFSET_SECONDS_MAX = 5.0
_PLAN_AGAIN = "dcshift survey && dcshift plan && dcshift check"


def blocks(findings: Iterable[Finding]) -> bool:
    """Say whether any of these forbids to go on."""
    return any(finding.severity is Severity.BLOCKER for finding in findings)


def catalogue_findings(plan: Plan, catalogue_hash: str) -> list[Finding]:
    """Return whether people have changed the catalogue since."""
    if catalogue_hash == plan.catalogue_hash:
        return []
    return [
        _blocker(
            "catalogue-changed",
            f"plan {plan.id[:6]}",
            "the catalogue was changed after this plan was made",
            _PLAN_AGAIN,
        )
    ]


def inventory_findings(
    pinned: Inventory, present: Inventory | None, systems: Sequence[System], now: float
) -> list[Finding]:
    """Return what a newer survey saw otherwise, and what the pinned one says against a move."""
    found: list[Finding] = []
    age_days = (now - _epoch(pinned.observed_at)) / 86_400
    if age_days > _INVENTORY_OLD_DAYS:
        found.append(
            _warning("inventory-old", "inventory", f"the plan's survey is {age_days:.0f} days old", _PLAN_AGAIN)
        )
    for system in systems:
        facts = pinned.systems[system.id]
        if present is not None:
            found += _drift(system.id, facts, present.systems.get(system.id))
            for host in sorted(system.source.hosts() & pinned.hosts.keys()):
                seen = present.hosts.get(host)
                if seen is None or seen.address != pinned.hosts[host].address:
                    found.append(
                        _blocker(
                            "source-changed", host, "the host is gone or has another address than planned", _PLAN_AGAIN
                        )
                    )
        found += _source(system, facts, pinned, now)
    return found


def contract_findings(
    plan: Plan,
    catalogue: Catalogue,
    planned: Mapping[str, TargetContract],
    contracts: Mapping[str, TargetContract | str],
    systems: Sequence[str],
) -> list[Finding]:
    """Return what is wrong with the targets as they are now; a string in place of a contract says why it has none.

    `planned`: those that the plan was made for, whole; their hashes are the plan's.
    """
    found: list[Finding] = []
    pinned, province = dict(plan.contracts), catalogue.province
    for name in systems:
        contract = contracts.get(name, "nobody looked for it")
        again = f"pulumi up --stack {name}, then: {_PLAN_AGAIN}"
        if isinstance(contract, str):
            found.append(_blocker("contract-missing", name, f"the target has no contract: {contract}", again))
            continue
        if contract.system != name:
            what = f"the contract found for {name} is that of the stack of {contract.system}"
            found.append(_blocker("contract-of-another-system", name, what, again))
        if contract.environment != province.environment:
            what = f"the contract is of environment {contract.environment}, the catalogue of {province.environment}"
            found.append(_blocker("contract-of-another-environment", name, what, "set KUBECONFIG to the right cluster"))
        found += _built_for(contract, catalogue, again) if contract.system == name else []
        if written_hash(contract) != contract.hash:
            found.append(_blocker("contract-altered", name, "the contract does not have the hash it states", again))
        elif contract.hash != pinned[name]:
            what = f"the target was changed after this plan was made: {contract_changes.told(planned[name], contract)}"
            found.append(_blocker("contract-changed", name, what, _PLAN_AGAIN))
    return found


def _built_for(contract: TargetContract, catalogue: Catalogue, again: str) -> list[Finding]:
    """Return whether the target was built for another level or by other norms; an older contract says neither."""
    level, norms, found = catalogue.system(contract.system).level, catalogue.province.norms, []
    if contract.level not in (None, level):
        what = f"the target was built for level {contract.level}, and the catalogue says {level}"
        found.append(_blocker("contract-of-another-level", contract.system, what, again))
    if contract.norms not in (None, norms):
        what = f"the target was built by the norms {contract.norms}, and the catalogue names {norms}"
        found.append(_blocker("contract-of-other-norms", contract.system, what, again))
    return found


def decision_findings(systems: Iterable[System], now: float) -> list[Finding]:
    """Return approvals of security levels that ended or end soon."""
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    found: list[Finding] = []
    for system in systems:
        decision = system.decision
        left_days = (decision.expires - today).days
        renew = f"renew it and write it into the catalogue, then: {_PLAN_AGAIN}"
        if left_days < 0:
            what = f"decision {decision.number} on level {system.level} ended on {decision.expires}"
            found.append(_blocker("decision-expired", system.id, what, renew))
        elif left_days <= _DECISION_ENDS_SOON_DAYS:
            what = f"decision {decision.number} on level {system.level} ends in {left_days} days, on {decision.expires}"
            found.append(_warning("decision-ends-soon", system.id, what, renew))
    return found


def on_their_way(state: RunState) -> frozenset[str]:
    """Return the systems that this run has begun to move and whose move has not ended."""
    begun = {system_of(step) for step in state.steps}
    return frozenset(name for name in begun if _touched(state, name) and not _is_done(state, name, Stage.WATCH))


def other_run_findings(others: Mapping[str, RunState], systems: Sequence[str]) -> list[Finding]:
    """Return systems that another plan has moved or has begun to move; `others` are the states of its runs by name.

    To prepare a system again that the target already serves would make its live database read-only.
    """
    found: list[Finding] = []
    for run, state in others.items():
        for name in systems:
            touched = _touched(state, name)
            if _is_done(state, name, Stage.CUTOVER):
                what = f"{name} was released to the target in {run}; it cannot be moved again"
                found.append(_blocker("already-moved", name, what, "dcshift plan --system …   with the others"))
            elif touched:
                what = f"{name} was begun by another plan in {run} and stands after {touched} of its steps"
                plan = f"--plan {state.plan[:6]}"
                finish = f"dcshift rollback {name} {plan}, or finish it: dcshift run {plan}"
                found.append(_blocker("begun-by-another-plan", name, what, finish))
    return found


def has_begun(state: RunState, system: str) -> bool:
    """Say whether any step of this system left a trace."""
    return _touched(state, system) > 0


def _touched(state: RunState, system: str) -> int:
    """Return how many steps of this system left a trace."""
    return sum(seen.status is not Status.PENDING for step, seen in state.steps.items() if system_of(step) == system)


def _is_done(state: RunState, system: str, stage: Stage) -> bool:
    """Say whether traffic has passed this stage: in cutover it is released, in watch its step is the move's last."""
    return any(
        seen.status is Status.DONE or (stage is Stage.CUTOVER and seen.unsure)
        for step, seen in state.steps.items()
        if system_of(step) == system and step.endswith(f"/{Component.TRAFFIC}/{stage}")
    )


def window_findings(province: Province, now: float) -> list[Finding]:
    """Return a blocker unless a freeze may begin now: on an open day, and within a window if there are any.

    The day is that of the province's own clock at this moment: a window that crosses midnight may be open on one side.
    """
    local = datetime.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(province.time_zone))
    if closed := province.closed_on(local.date()):
        what = f"it is {local.date()} in {province.time_zone}, and nobody cuts over on that day: {closed}"
        return [
            _blocker("day-closed", province.id, what, "run it again on an open day; everything before it stays done")
        ]
    if not province.windows:
        return []
    minute = local.strftime("%H:%M")
    for window in province.windows:
        crosses_midnight = window.start > window.end
        inside = (
            minute >= window.start or minute < window.end if crosses_midnight else window.start <= minute < window.end
        )
        if inside:
            return []
    named = ", ".join(f"{window.name} {window.start}–{window.end}" for window in province.windows)
    what = f"it is {minute} in {province.time_zone}, and a freeze may begin in: {named}"
    return [_blocker("outside-window", province.id, what, "run it again in a window; everything before it stays done")]


def _drift(name: str, planned: SystemFacts, seen: SystemFacts | None) -> list[Finding]:
    if seen is None:
        return [_blocker("source-changed", name, "the last survey did not see this system", _PLAN_AGAIN)]
    differing = [field for field, value in _essence(planned).items() if _essence(seen)[field] != value]
    return [
        _blocker("source-changed", name, f"{field} is not what the plan was made from", _PLAN_AGAIN)
        for field in differing
    ]


def _essence(facts: SystemFacts) -> dict[str, object]:
    """Return what a plan depends on: not sizes, counts and states, which change while the source serves."""
    database = facts.database
    return {
        "the database's place": (database.host, database.name, database.owner),
        "the database's version": database.server_version_number,
        "the database's encoding or collation": (database.encoding, database.collation, database.ctype),
        "wal_level": database.wal_level,
        "the set of extensions": sorted(database.extensions),
        "the set of tables or their identities": sorted(
            (table.schema_name, table.name, table.has_primary_key, table.replica_identity) for table in database.tables
        ),
        "a place of files": sorted((name, files.host, files.path) for name, files in facts.files.items()),
        "a scheduled job": sorted((name, job.host, job.user) for name, job in facts.jobs.items()),
        "the web service": (facts.web.host, facts.web.service),
        "a worker": sorted((name, worker.host, worker.service) for name, worker in facts.workers.items()),
        "the public site": (facts.traffic.host, facts.traffic.site),
    }


def _source(system: System, facts: SystemFacts, inventory: Inventory, now: float) -> list[Finding]:
    found: list[Finding] = []
    database = facts.database
    if database.wal_level != "logical":
        found.append(
            _blocker(
                "wal-level-not-logical",
                f"{system.id}/database",
                f"wal_level is {database.wal_level} on {database.host}, so changes cannot be followed",
                f"set wal_level=logical on {database.host} and restart PostgreSQL in a window of its own, "
                f"then: {_PLAN_AGAIN}",
            )
        )
    if _epoch(facts.traffic.certificate_expires) - now < _CERTIFICATE_ENDS_SOON_DAYS * 86_400:
        found.append(
            _warning(
                "certificate-ends-soon",
                f"{system.id}/traffic",
                f"the certificate of {', '.join(facts.traffic.server_names)} ends {facts.traffic.certificate_expires}",
                "renew it before the move; the gate serves with it",
            )
        )
    for name in sorted(system.source.hosts() & inventory.hosts.keys()):
        offset = inventory.hosts[name].clock_offset_seconds
        if abs(offset) > _CLOCK_OFFSET_SECONDS_MAX:
            what = f"its clock is {offset:.0f} s away from this machine's"
            found.append(_warning("clock-off", name, what, "let it follow the same time server"))
    return found


def _epoch(moment: str) -> float:
    parsed = datetime.datetime.fromisoformat(moment)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)).timestamp()


def _blocker(code: str, where: str, what: str, next: str) -> Finding:
    return Finding(Severity.BLOCKER, code, where, what, next)


def _warning(code: str, where: str, what: str, next: str) -> Finding:
    return Finding(Severity.WARNING, code, where, what, next)
