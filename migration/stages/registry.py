"""Finds the handler of a step; each stage has one file and is named here. It holds no rule of its own."""

from __future__ import annotations

from collections.abc import Mapping

from migration.model.words import Component, Stage
from migration.stages import cutover, prepare, quiesce, replicate, watch
from migration.stages.step import Handler

_STAGES: Mapping[Stage, Mapping[Component, Handler]] = {
    Stage.PREPARE: prepare.HANDLERS,
    Stage.REPLICATE: replicate.HANDLERS,
    Stage.QUIESCE: quiesce.HANDLERS,
    Stage.CUTOVER: cutover.HANDLERS,
    Stage.WATCH: watch.HANDLERS,
}


def handler(stage: Stage, component: Component) -> Handler:
    """Return the verbs of one stage for one component; raises `KeyError` if there is none."""
    return _STAGES[stage][component]


def parts() -> frozenset[tuple[Stage, Component]]:
    """Return every stage and component that has a handler."""
    return frozenset((stage, component) for stage, handlers in _STAGES.items() for component in handlers)
