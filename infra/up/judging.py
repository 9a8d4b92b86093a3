"""Everything that forbids an `up`, found before it writes.

Rules, lost data, secrets in a state, ground not laid, a cluster that cannot take it: what it finds it raises; it reads
states and the cluster, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from infra import order
from infra.foundations import LAID, STOOD_ON
from infra.render.building import built
from infra.render.declared import Built
from infra.render.judging import refuse_breaches
from infra.safety import asking, claims, definitions, dependants, moved_grounds, replacing, secrecy
from infra.up.engine import Engine

_READ: Final = ("platform", "data")
"""States that are always read where these are brought up: of others, each costs a call of the engine."""


def judge(
    chosen: Sequence[str], settings: Path, project: Path, *, every_state: bool = False, cluster: bool = True
) -> None:
    """Raise `InfraError` for the first kind of fault that one of these stacks has, naming all of that kind.

    `every_state`: read the states of grounds and systems too, which costs a call of the engine for each.
    `cluster`: ask it what it lacks, and whether it keeps rows of a database that would be made anew.
    """
    wanted = [built(stack, settings) for stack in chosen]
    refuse_breaches(wanted)
    definitions.refuse(wanted)
    claims.refuse(wanted)
    engine = Engine(lambda _: None, project)
    known = engine.known()
    below = [stack for each in wanted for stack in each.outputs[STOOD_ON] if stack not in chosen]
    read = [stack for stack in chosen if every_state or stack in _READ]
    refuse_harm(wanted, {stack: engine.export(stack) for stack in dict.fromkeys([*below, *read]) if stack in known})
    if cluster:
        asking.refuse_lacking(wanted)
        asking.refuse_emptied(wanted)


def refuse_harm(wanted: Sequence[Built], applied: dict[str, Any]) -> None:
    """Raise `InfraError` for what these stacks would do to what was applied; `applied`: exported states by stack."""
    moved_grounds.refuse(applied)
    replacing.refuse(found for each in wanted for found in replacing.replacements(each, applied.get(each.stack, {})))
    for stack, export in applied.items():
        secrecy.refuse(stack, secrecy.leaks(export))
    chosen = {each.stack for each in wanted}
    below = {stack: dependants.outputs(export) for stack, export in applied.items() if stack not in chosen}
    stood_on = {stack for each in wanted for stack in each.outputs[STOOD_ON]} - chosen
    never = {stack for stack in stood_on if not dependants.was_applied(applied.get(stack, {}))}
    dependants.refuse_unlaid({each.stack: each.outputs for each in wanted}, below, never)


def followers(engine: Engine, chosen: Collection[str], every: Sequence[str]) -> str | None:
    """Return who must follow now that these stacks were applied; None when nobody must, or all were chosen."""
    carrying = [stack for stack in chosen if order.carries(stack)]
    if not carrying or set(every) <= set(chosen):
        return None
    known = engine.known()

    def outputs(stacks: Iterable[str]) -> dict[str, dependants.Outputs]:
        return {stack: dependants.outputs(engine.export(stack)) for stack in stacks if stack in known}

    applied = outputs(carrying)
    above = {stack for found in applied.values() for stack in found.get(LAID) or {}} - applied.keys()
    return dependants.sentence(dependants.parted({**applied, **outputs(stack for stack in every if stack in above)}))
