"""The outputs of the stack `data` that say what its databases' restore drills measured; asked only by the engine's run.

A centre that is rendered or judged has no cluster, so no layer asks this while it is built.
"""

from __future__ import annotations

import datetime
from typing import Final

import pulumi

from infra import cluster_api
from infra.config import Settings
from infra.drills import measured
from infra.errors import InfraError
from infra.live import Live

OUTPUT: Final = "drills"


def export(settings: Settings) -> None:
    """Export the figures of each system; what cannot be read is a warning, and stops nothing."""
    try:
        live = Live(cluster_api.connected())
    except InfraError as unknown:
        pulumi.log.warn(f"what restore drills measured is not exported: {unknown.why}")
        return
    systems = {system.id: settings.drill_seconds_max(system) for system in settings.catalogue.systems}
    found, told = measured(live, systems, datetime.datetime.now(datetime.UTC))
    for sentence in told:
        pulumi.log.warn(sentence)
    pulumi.export(OUTPUT, found)
