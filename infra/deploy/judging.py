"""What forbids a deployment before the engine is asked: faults of the catalogue, rules broken, a cluster that lacks.

It builds the stack as it would be and asks the cluster with the deployment's own identity; it changes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

from catalogue.load import Catalogue, CatalogueError, examine
from infra.render.building import built_from
from infra.render.judging import refuse_breaches
from infra.safety.asking import refuse_lacking

Say = Callable[[str], None]


def linted(folder: Path, say: Say) -> Catalogue:
    """Return the catalogue; warnings are said. Raises `CatalogueError` with every fault of every file, of today too."""
    examined = examine(folder, datetime.datetime.now(datetime.UTC))
    if examined.faults or examined.catalogue is None:
        raise CatalogueError(examined.faults)
    for warning in examined.warnings:
        say(f"catalogue: {warning}")
    say(f"catalogue: no fault, {len(examined.warnings)} warnings")
    return examined.catalogue


def refuse(stack: str, settings: Mapping[str, str], say: Say) -> None:
    """Judge the stack under the settings that are to be tried. Raises `InfraError`; what could not be asked is said."""
    built = built_from(stack, settings)
    refuse_breaches([built])
    say(f"rules: each of {len(built.objects)} objects keeps every rule")
    refuse_lacking([built], unasked=lambda what: say(f"cluster: {what}"))
    say("cluster: as far as this identity may ask, it lacks nothing of what is declared")
