"""Rules of the doors at the edge: which zones are one in truth, what a gate can serve, whose limit counts; pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from catalogue.province import Province
from catalogue.reading import Fault
from catalogue.system import Exposure
from catalogue.written import Whole, Written

ROUNDS: Final = 3
"""How often a deployment asks for each page of a system, its health and its readiness."""


def faults(systems: Sequence[Written], whole: Whole) -> Iterator[Fault]:
    """Yield what could not work: two addresses behind one gate, a limit below our own proofs or beside no other."""
    target = whole.province.target
    first: dict[str, Written] = {}
    for written in systems:
        system, path = written.system, ("source", "traffic", "host")
        other = first.setdefault(system.source.traffic.host, written).system
        if target.zone(system.exposure).gateway_address != target.zone(other.exposure).gateway_address:
            sentence = (
                f"source.traffic.host {system.source.traffic.host!r} serves {other.id!r} ({other.exposure}) too, whose "
                "zone has another gateway_address: one gate sends requests to one address"
            )
            yield written.fault(path, sentence)
        limit, asked = target.rate_limit_of(system), ROUNDS * (len(system.web.pages) + 2)
        if limit and limit.burst < asked:
            sentence = (
                f"web.pages make a deployment ask {asked} times in a row; as one client it has {limit.burst} (burst)"
            )
            yield written.fault(("web", "pages"), sentence)
        if system.web.rate_limit and target.rate_limit is None:
            sentence = "web.rate_limit needs target.rate_limit in province.yaml: without it nothing is limited"
            yield written.fault(("web", "rate_limit"), sentence)


def warnings(systems: Sequence[Written], whole: Whole) -> Iterator[Fault]:
    """Yield which zones in use can be entered through each other, and zones that no system uses."""
    used = sorted({written.system.exposure for written in systems})
    for one, other in itertools.combinations(used, 2):
        if same := _shared(whole.province, one, other):
            sentence = (
                f"zones {one} and {other} have the same {same}: to the network they are one door, and whoever reaches "
                "one reaches the systems of both"
            )
            yield whole.place.fault(("target", "zones", other), sentence)
    for zone in sorted(set(whole.province.target.zones) - set(used)):
        yield whole.place.fault(("target", "zones", zone), f"zone {zone} has no system: no Gateway is made for it")


def _shared(province: Province, one: Exposure, other: Exposure) -> str:
    """Return what makes two zones one door; nothing if they are two."""
    here, there = province.target.zone(one), province.target.zone(other)
    fields = ("gateway_class", "gateway_address")
    return " and ".join(field for field in fields if getattr(here, field) == getattr(there, field))
