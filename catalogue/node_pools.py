"""On which nodes a system stands where a cluster keeps some apart; pure.

A pool is a group of nodes with a label and a taint of its name, which is that of an exposure or of a system. What a
level asks for is carried out as far as the province declares pools: no pod is sent to nodes that nobody made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, get_args

from catalogue.controls import Controls
from catalogue.province import TargetSite
from catalogue.reading import Fault
from catalogue.system import Exposure, System
from catalogue.written import Whole, Written

EXPOSURES: Final[tuple[str, ...]] = get_args(Exposure)


def pool(system: System, asked: Controls | None, target: TargetSite) -> str | None:
    """Return the pool that a system stands in: its own, else, where its level asks, that of its exposure; or none."""
    if system.id in target.node_pools:
        return system.id
    apart = asked is not None and asked.node_pool != "shared"
    return system.exposure if apart and system.exposure in target.node_pools else None


def met(system: System, asked: Controls | None, target: TargetSite) -> str:
    """Return how far the control `node-pool` is met, in its own words."""
    found = pool(system, asked, target)
    return "shared" if found is None else "dedicated" if found == system.id else "exposure"


def faults(systems: Sequence[Written], whole: Whole) -> Iterator[Fault]:
    """Yield pools that nobody would stand in, that are declared twice, or whose name means two things."""
    named = {written.system.id for written in systems}
    pools = whole.province.target.node_pools
    for index, name in enumerate(pools):
        path = ("target", "node_pools", index)
        if name in pools[:index]:
            yield whole.place.fault(path, f"node pool {name!r} is given twice")
        elif name in named and name in EXPOSURES:
            yield whole.place.fault(path, f"node pool {name!r} is a system and an exposure: rename the system")
        elif name not in named and name not in EXPOSURES:
            sentence = f"node pool {name!r} is neither a system nor an exposure ({', '.join(EXPOSURES)})"
            yield whole.place.fault(path, sentence)
