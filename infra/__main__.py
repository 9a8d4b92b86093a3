"""Pulumi's entry: reads which stack this is and builds that layer; decides nothing else."""

from __future__ import annotations

import gc
import sys

import pulumi

from infra import collecting, config, ending
from infra.errors import SettingsError
from infra.render import judging, stack_files
from infra.safety import moved_grounds
from infra.stacks import layers
from infra.up.engine import Engine

_TOLD = 32  # the engine's word for "people were told what is wrong": it adds no second error


def main() -> None:
    """Build the stack's layer; a fault of the user's own files is told without a traceback."""
    gc.set_threshold(*collecting.RARELY)
    try:
        settings = config.read(pulumi.get_stack())
        if not settings.catalogue.province.is_lab:
            # A lab's stacks are judged by our own tests, under the settings that it has.
            judging.ask(settings.stack)
        if settings.layer == "platform":
            # What it declares no more is deleted, and it declared grounds once: only its state knows.
            moved_grounds.refuse({settings.stack: Engine(pulumi.log.debug).export(settings.stack)})
        layers.run(settings)
    except ending.FAULTS as fault:
        if isinstance(fault, SettingsError):
            fault = stack_files.placed(fault, pulumi.get_stack())
        pulumi.log.error(str(ending.thoughts(fault)))
        sys.exit(_TOLD)


main()
