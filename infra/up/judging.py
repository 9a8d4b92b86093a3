"""Everything that forbids an `up`, found before it writes: rules, lost data, secrets in a state, ground not laid.

It reads the states, and asks the cluster only where something is about to be written. What it finds it raises; it
changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from infra import cluster_api
from infra.live import Live
from infra.render.building import built
from infra.render.declared import Built
from infra.render.judging import refuse_breaches
from infra.safety import claims, definitions, dependants, replacing, secrecy
from infra.up import served
from infra.up.engine import Engine

_LAYERS: Final = ("platform", "data")
"""The stacks that hold data and that others stand on; a system's own pipeline can do neither (docs/identities.md)."""


def judge(chosen: Sequence[str], settings: Path, project: Path, *, every_state: bool = False) -> None:
    """Raise `InfraError` for the first kind of fault that one of these stacks has, naming all of that kind.

    `every_state`: nothing is about to be written, so no cluster is asked, and secrets are looked for in the states of
    systems too, which costs a call of the engine for each.
    """
    wanted = [built(stack, settings) for stack in chosen]
    refuse_breaches(wanted)
    definitions.refuse(wanted)
    claims.refuse(wanted)
    engine = Engine(lambda _: None, project)
    known = engine.known()
    read = [stack for stack in dict.fromkeys([*_LAYERS, *(chosen if every_state else ())]) if stack in known]
    refuse_harm(wanted, {stack: engine.export(stack) for stack in read})
    if not every_state:
        served.refuse(wanted, Live(cluster_api.connected()))


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
    if not set(chosen) & set(_LAYERS) or set(every) <= set(chosen):
        return None
    known = engine.known()
    return dependants.sentence(
        dependants.parted({stack: dependants.outputs(engine.export(stack)) for stack in every if stack in known})
    )
