"""Keeps each plan in an immutable file with everything it was made from; a file whose hash does not fit is refused.

A run reads only these pinned documents, so that it can finish, or go back, whatever has changed since; `checks`
compares them with the present and speaks up.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalogue.load import Catalogue, digest
from catalogue.province import Province
from catalogue.system import System
from catalogue.target import TargetContract, written_hash
from migration.errors import UsageError
from migration.model.inventory import Inventory
from migration.model.plan import Engine, Plan, Step
from migration.model.words import Component, Stage, StepId

_NEWEST = "current"


@dataclass(frozen=True, slots=True)
class Pinned:
    """A plan with its origin."""

    plan: Plan
    catalogue: Catalogue
    inventory: Inventory
    contracts: Mapping[str, TargetContract]
    planned_at: float | None = field(default=None, compare=False)
    """When it was planned first, for people; no part of what is hashed."""


def save(folder: Path, pinned: Pinned) -> Path:
    """Write the plan under its hash, read-only, and make it the newest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pinned.plan.id}.json"
    if not path.exists():
        document = {
            "plan": dataclasses.asdict(pinned.plan),
            "province": pinned.catalogue.province.model_dump(mode="json", by_alias=True),
            "systems": [system.model_dump(mode="json", by_alias=True) for system in pinned.catalogue.systems],
            "inventory": pinned.inventory.model_dump(mode="json"),
            # Without what they were not written with: they are hashed again when the plan is read.
            "contracts": {
                name: contract.model_dump(mode="json", exclude_unset=True)
                for name, contract in pinned.contracts.items()
            },
            "planned_at": pinned.planned_at,
        }
        write(path, json.dumps(document, indent=1, ensure_ascii=False))
        path.chmod(0o444)
    write(folder / _NEWEST, pinned.plan.id)
    return path


def load(folder: Path, name: str | None = None) -> Pinned:
    """Read a plan by its hash or the beginning of it; the newest, if None.

    Raises `UsageError` when there is no such plan, or when its content does not have the hash of its name.
    """
    path = _find(folder, name)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        province = Province.model_validate_json(json.dumps(document["province"]))
        systems = tuple(System.model_validate_json(json.dumps(system)) for system in document["systems"])
        pinned = Pinned(
            plan=_plan(document["plan"]),
            catalogue=Catalogue(province, systems, digest(province, *systems)),
            inventory=Inventory.model_validate_json(json.dumps(document["inventory"])),
            contracts={
                name: TargetContract.model_validate_json(json.dumps(content))
                for name, content in document["contracts"].items()
            },
            planned_at=float(at) if (at := document.get("planned_at")) is not None else None,
        )
    except (ValueError, KeyError, TypeError) as bad:
        raise _damaged(path, f"{type(bad).__name__}: {' '.join(str(bad).split())[:300]}") from bad
    plan = pinned.plan
    seen = tuple((name, written_hash(pinned.contracts[name])) for name, _ in plan.contracts if name in pinned.contracts)
    for what, is_so in (
        ("its steps", plan.id == path.stem),
        ("its catalogue", pinned.catalogue.hash == plan.catalogue_hash),
        ("its inventory", pinned.inventory.hash() == plan.inventory_hash),
        ("its contracts", seen == plan.contracts),
    ):
        if not is_so:
            raise _damaged(path, f"{what} are not those that the hash was made of")
    return pinned


def newest(folder: Path) -> str | None:
    """Return the hash of the plan that was made last, or None."""
    try:
        return (folder / _NEWEST).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _find(folder: Path, name: str | None) -> Path:
    wanted = newest(folder) if name is None else name
    if wanted is None:
        raise UsageError(
            "no-plan",
            what="there is no plan yet",
            why=f"{folder} holds none",
            state="nothing was changed",
            next="dcshift plan",
        )
    found = [path for path in sorted(folder.glob("*.json")) if wanted and path.stem.startswith(wanted)]
    if len(found) != 1:
        raise UsageError(
            "plan-unknown",
            what=f"there is {'no' if not found else 'more than one'} plan {wanted}",
            why=f"{folder} holds: {', '.join(path.stem[:12] for path in sorted(folder.glob('*.json'))) or 'none'}",
            state="nothing was changed",
            next="dcshift plan",
        )
    return found[0]


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        "plan-damaged",
        what=f"the plan {path.name} is not what was planned",
        why=why,
        state="nothing was changed",
        next="dcshift plan   makes it again; keep the damaged file and ask who changed it",
    )


def _plan(content: dict[str, object]) -> Plan:
    steps, contracts, holds = content["steps"], content["contracts"], content["hold_max_seconds"]
    engines = content.get("engines", [])
    assert isinstance(steps, list)
    assert isinstance(contracts, list)
    assert isinstance(holds, list)
    assert isinstance(engines, list)
    return Plan(
        catalogue_hash=str(content["catalogue_hash"]),
        inventory_hash=str(content["inventory_hash"]),
        contracts=tuple((str(name), str(value)) for name, value in contracts),
        hold_max_seconds=tuple((str(name), float(value)) for name, value in holds),
        steps=tuple(
            Step(
                **step
                | {
                    "id": StepId(step["id"]),
                    "component": Component(step["component"]),
                    "stage": Stage(step["stage"]),
                    "proofs": tuple(step["proofs"]),
                    "leases": tuple(step["leases"]),
                }
            )
            for step in steps
        ),
        engines=tuple(Engine(**engine) for engine in engines),
    )


def write(path: Path, text: str) -> None:
    """Write a whole file or none of it, and have it on the disk."""
    fresh = path.with_suffix(".tmp")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
