"""The ends of a path: pods that no policy can tell apart, and the worlds outside; pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.reachability.addresses import PODS, Range, ranges
from infra.reachability.selectors import Labels


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a pod's container names."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Pods:
    """All pods of one workload.

    `labels` or `ports` of None are unknown: a selector may match them, a port's name may mean any number. Pods of
    unknown labels are isolated by no policy, so what is said of them is never too little.
    """

    name: str
    namespace: str
    namespace_labels: Labels
    labels: Labels | None
    ports: tuple[Port, ...] | None = ()
    addresses: tuple[Range, ...] = ranges(PODS)
    system: str | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """Addresses that belong to no pod."""

    name: str
    addresses: tuple[Range, ...]


End = Pods | Outside


def numbers(end: End, protocol: str, named: str) -> tuple[int, ...] | None:
    """Return the numbers that a port's name means at an end; None: any number."""
    if isinstance(end, Outside):
        return ()
    if end.ports is None:
        return None
    return tuple(port.number for port in end.ports if port.name == named and port.protocol == protocol)


def labels_of(document: Mapping[str, object] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (document or {}).items()}
