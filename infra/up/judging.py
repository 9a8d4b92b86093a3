"""Everything that forbids an `up`, found before it writes.

Rules, lost data, secrets in a state, ground not laid, a cluster that cannot take it: what it finds it raises; it reads
states and the cluster, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from infra.render.building import built
from infra.render.declared import Built
from infra.render.judging import refuse_breaches
from infra.safety import asking, claims, definitions, dependants, replacing, secrecy
from infra.up.engine import Engine
from infra.up.lanes import FOUNDATIONS


def judge(
    chosen: Sequence[str], settings: Path, project: Path, *, every_state: bool = False, cluster: bool = True
) -> None:
    """Raise `InfraError` for the first kind of fault that one of these stacks has, naming all of that kind.

    `every_state`: look for secrets in the states of systems too, which costs a call of the engine for each.
    `cluster`: ask it what it lacks, and whether it keeps rows of a database that would be made anew.
    """
    wanted = [built(stack, settings) for stack in chosen]
    refuse_breaches(wanted)
    definitions.refuse(wanted)
    claims.refuse(wanted)
    engine = Engine(lambda _: None, project)
    known = engine.known()
    read = [stack for stack in dict.fromkeys([*FOUNDATIONS, *(chosen if every_state else ())]) if stack in known]
    refuse_harm(wanted, {stack: engine.export(stack) for stack in read})
    if cluster:
        asking.refuse_lacking(wanted)
        asking.refuse_emptied(wanted)


def refuse_harm(wanted: Sequence[Built], applied: dict[str, Any]) -> None:
    """Raise `InfraError` for what these stacks would do to what was applied; `applied`: exported states by stack."""
    replacing.refuse(found for each in wanted for found in replacing.replacements(each, applied.get(each.stack, {})))
    for stack, export in applied.items():
        secrecy.refuse(stack, secrecy.leaks(export))
    chosen = {each.stack for each in wanted}
    below = {stack: dependants.outputs(export) for stack, export in applied.items() if stack not in chosen}
    dependants.refuse_unlaid({each.stack: each.outputs for each in wanted}, below)


def followers(engine: Engine, chosen: Collection[str], every: Sequence[str]) -> str | None:
    """Return who must follow now that these stacks were applied; None when nobody must, or all were chosen."""
    if not set(chosen) & set(FOUNDATIONS) or set(every) <= set(chosen):
        return None
    known = engine.known()
    return dependants.sentence(
        dependants.parted({stack: dependants.outputs(engine.export(stack)) for stack in every if stack in known})
    )
