"""Makes the plan from catalogue, inventory and target contracts; pure: it reads nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from catalogue.load import Catalogue
from catalogue.system import System, seconds
from catalogue.target import TargetContract
from migration import by_hand
from migration.errors import BlockedError, UsageError
from migration.model.inventory import Inventory
from migration.model.plan import Engine, Plan, Step
from migration.model.words import Component, Stage, StepId
from migration.movers import engines

_BACKGROUND_PROOFS = ("jobs", "workers")
_DATABASE_PROOFS = ("rows", "sequences", "large-objects", "schema", "grants")


@dataclass(frozen=True, slots=True)
class _Kind:
    """One stage for one component, as every system has it."""

    stage: Stage
    component: Component
    sentence: str
    proofs: tuple[str, ...] = ()
    budget_seconds: float = 30.0
    bytes_per_second: int | None = None
    """When the step moves bytes: its budget grows with them at this rate, which is deliberately pessimistic."""
    holds_users: bool = False
    point_of_no_return: bool = False


_PREPARE, _REPLICATE, _QUIESCE, _CUTOVER, _WATCH = Stage
_DB, _FILES, _JOBS, _WEB, _TRAFFIC = Component

# The order is the promise. In the freeze: everything slow first, then requests are held, then the source is fenced; the
# release comes last, and only arming the jobs follows it, because a job must never find two sides that serve.
_ORDER: tuple[_Kind, ...] = (
    _Kind(_PREPARE, _TRAFFIC, "put the gate in front of the source site", ("traffic",), 60),
    _Kind(_PREPARE, _DB, "create migration role, marker and fence on the source; target read-only", (), 60),
    _Kind(_PREPARE, _FILES, "probe the object store, with wrong checksums too", (), 30),
    _Kind(_PREPARE, _JOBS, "see every job and worker armed on the source and on no other side", _BACKGROUND_PROOFS, 30),
    _Kind(_PREPARE, _WEB, "wait until the target's pods answer through its own gateway", (), 120),
    _Kind(_REPLICATE, _DB, "copy from one snapshot, follow every change; compare", _DATABASE_PROOFS, 60, 2_000_000),
    _Kind(_REPLICATE, _FILES, "copy in passes until one is small; compare by content", ("files",), 60, 2_000_000),
    _Kind(_QUIESCE, _FILES, "one more pass, so that the last one is short", (), 30),
    _Kind(_QUIESCE, _JOBS, "put jobs and workers on the source to rest; wait until none runs", _BACKGROUND_PROOFS, 90),
    _Kind(_QUIESCE, _TRAFFIC, "hold requests and let those under way finish", (), 2, holds_users=True),
    _Kind(_QUIESCE, _WEB, "read the public pages from the source, as citizens see them", (), 1, holds_users=True),
    _Kind(_QUIESCE, _DB, "fence the source, see its last commit on the target", (), 2, holds_users=True),
    _Kind(_CUTOVER, _DB, "sequences, large objects, views; compare every row", _DATABASE_PROOFS, 4, holds_users=True),
    _Kind(_CUTOVER, _FILES, "the last pass under the freeze; compare", ("files",), 2, holds_users=True),
    _Kind(_CUTOVER, _WEB, "compare the target's pages with those of the source", ("pages",), 1, holds_users=True),
    _Kind(
        _CUTOVER,
        _TRAFFIC,
        "release all requests to the target: the point of no return",
        ("traffic",),
        1,
        holds_users=True,
        point_of_no_return=True,
    ),
    _Kind(_CUTOVER, _JOBS, "let jobs and workers run on the target", _BACKGROUND_PROOFS, 60),
    _Kind(_WATCH, _WEB, "stop the web service on the source", (), 30),
    _Kind(_WATCH, _JOBS, "see every job and worker armed on the target alone", _BACKGROUND_PROOFS, 30),
    _Kind(_WATCH, _DB, "drop subscription and slot; the source keeps no log for us", (), 30),
    _Kind(_WATCH, _FILES, "read every object again and compare its content", ("files",), 60, 2_000_000),
    _Kind(_WATCH, _TRAFFIC, "count who still comes to the source", ("traffic",), 30),
)

_TOGETHER = (_PREPARE, _REPLICATE)
"""Stages that all systems of a wave pass side by side; from the freeze on, one system goes after the other."""


def plan(
    catalogue: Catalogue,
    inventory: Inventory,
    contracts: Mapping[str, TargetContract],
    *,
    systems: Iterable[str] | None = None,
    engine: str | None = None,
) -> Plan:
    """Return the plan for these systems (all, if None), their databases copied by the best engine or by `engine`.

    Raises `UsageError` when a system is unknown, was not surveyed, or has no target contract, and `BlockedError` when
    the engine that was ordered cannot do it, or files go to a volume.
    """
    chosen = [_known(catalogue, name) for name in systems] if systems is not None else list(catalogue.systems)
    for system in chosen:
        _complete(system, inventory, contracts)
    by_hand.refuse_volumes(chosen, inventory, contracts)
    by = _engines(chosen, inventory, contracts, engine)
    steps: list[Step] = []
    for wave in sorted({system.wave for system in chosen}):
        members = sorted((system for system in chosen if system.wave == wave), key=lambda system: system.id)
        for stage in _TOGETHER:
            for system in members:
                steps += _steps(system, inventory, (stage,))
        for system in members:
            steps += _steps(system, inventory, tuple(stage for stage in Stage if stage not in _TOGETHER))
    ids = sorted(system.id for system in chosen)
    return Plan(
        catalogue_hash=catalogue.hash,
        inventory_hash=inventory.hash(),
        contracts=tuple((name, contracts[name].hash) for name in ids),
        hold_max_seconds=tuple(
            (name, float(seconds(catalogue.system(name).objectives.write_hold_max))) for name in ids
        ),
        steps=tuple(steps),
        engines=by,
    )


def parts() -> tuple[tuple[Stage, Component], ...]:
    """Return every stage and component that a plan can hold, in order."""
    return tuple((kind.stage, kind.component) for kind in _ORDER)


def _steps(system: System, inventory: Inventory, stages: tuple[Stage, ...]) -> list[Step]:
    hosts = sorted(system.source.hosts())
    found = []
    for kind in _ORDER:
        if kind.stage not in stages:
            continue
        # The whole freeze takes the same leases, so they are kept from its first step to its last: between two of its
        # steps nobody else may make citizens wait for a lease.
        freeze = kind.stage in (_QUIESCE, _CUTOVER)
        leases = {f"system:{system.id}"} | {f"host:{host}" for host in (hosts if freeze else _hosts(system, kind))}
        found.append(
            Step(
                id=StepId(f"wave-{system.wave}/{system.id}/{kind.component}/{kind.stage}"),
                wave=system.wave,
                system=system.id,
                component=kind.component,
                stage=kind.stage,
                sentence=kind.sentence,
                proofs=kind.proofs,
                leases=tuple(sorted(leases)),
                budget_seconds=_budget(system, inventory, kind),
                point_of_no_return=kind.point_of_no_return,
                holds_users=kind.holds_users,
            )
        )
    return found


def _hosts(system: System, kind: _Kind) -> set[str]:
    source = system.source
    match kind.component:
        case Component.DATABASE:
            return {source.database.host}
        case Component.FILES:
            return {files.host for files in source.files.values()}
        case Component.JOBS:
            return set(source.background_hosts())
        case Component.WEB:
            return {source.web.host}
        case Component.TRAFFIC:
            return {source.traffic.host}


def _budget(system: System, inventory: Inventory, kind: _Kind) -> float:
    if kind.bytes_per_second is None:
        return kind.budget_seconds
    facts = inventory.systems[system.id]
    if kind.component is Component.DATABASE:
        size = facts.database.size_bytes
    else:
        size = sum(files.size_bytes for files in facts.files.values())
    return float(round(kind.budget_seconds + size / kind.bytes_per_second))


def _engines(
    chosen: Iterable[System], inventory: Inventory, contracts: Mapping[str, TargetContract], ordered: str | None
) -> tuple[Engine, ...]:
    """Return how each database is copied; all that forbid the engine that was ordered are told at once."""
    found, forbidden = [], []
    for system in sorted(chosen, key=lambda each: each.id):
        database, target = inventory.systems[system.id].database, contracts[system.id].database
        facts = engines.MoveFacts(
            cluster=target.cluster,
            source_major=database.server_version_number // 10_000,
            target_major=target.major,
            size_bytes=database.size_bytes,
        )
        found.append(Engine(system.id, *engines.engine_for(facts, ordered)))
        if ordered == engines.PHYSICAL and (why := engines.forbidding(facts)):
            forbidden.append(f"{system.id}: {'; '.join(why)}")
    if forbidden:
        raise BlockedError(
            "engine-not-possible",
            what="the engine physical was ordered for databases that it cannot copy",
            why=". ".join(forbidden),
            state="no plan was made; nothing was changed",
            next="dcshift plan   copies them row by row; a PostgreSQL host of yours as the target takes a whole server "
            "by its files, typed by hand (docs/physical.md)",
        )
    return tuple(found)


def _known(catalogue: Catalogue, name: str) -> System:
    try:
        return catalogue.system(name)
    except KeyError as unknown:
        raise UsageError(
            "system-unknown",
            what=f"there is no system {name!r}",
            why=str(unknown.args[0]),
            state="no plan was made; nothing was changed",
            next="dcshift catalogue check   lists the systems",
        ) from unknown


def _complete(system: System, inventory: Inventory, contracts: Mapping[str, TargetContract]) -> None:
    if system.id not in inventory.systems:
        raise UsageError(
            "system-not-surveyed",
            what=f"{system.id} is not in the inventory",
            why=f"the survey of {inventory.observed_at} saw: {', '.join(sorted(inventory.systems)) or 'nothing'}",
            state="no plan was made; nothing was changed",
            next="dcshift survey",
        )
    if system.id not in contracts:
        raise UsageError(
            "contract-missing",
            what=f"the target of {system.id} has no contract",
            why="its stack was not applied, or in another cluster",
            state="no plan was made; nothing was changed",
            next=f"pulumi up --stack {system.id}",
        )
