"""What must never be open, looked for in every pair of ends; a breach names its path and its policies; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from infra import naming
from infra.monitoring.targets import DATABASE_PORT
from infra.reachability.centre import ELSEWHERE, INTERNET, JOB_HOST, Centre
from infra.reachability.ends import End, Pods
from infra.reachability.network import Verdict
from infra.reachability.ports import Ports, minus, said

_POSTGRES: Final = Ports("TCP", 5432, 5432)
_METRICS: Final = Ports("TCP", DATABASE_PORT, DATABASE_PORT)


@dataclass(frozen=True, slots=True)
class Breach:
    """One path that a rule forbids, with the verdict on its first port."""

    rule: str
    ports: tuple[Ports, ...]
    verdict: Verdict

    def sentences(self) -> list[str]:
        """Say it as people read it."""
        verdict = self.verdict
        return [
            f"{self.rule}: {verdict.source} reaches {verdict.target} at {said(self.ports)}",
            f"  {verdict.egress.sentence('out')}",
            f"  {verdict.ingress.sentence('in')}",
        ]


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was looked at, and what was found."""

    pairs: int
    between_systems: int
    breaches: tuple[Breach, ...]


def prove(centre: Centre) -> Proof:
    """Look at every ordered pair of ends of which one is a system's, at every port of every protocol."""
    pairs, between, breaches = 0, 0, []
    for source in centre.ends:
        for target in centre.ends:
            if not (_system(source) or _system(target)):
                continue
            pairs += 1
            between += bool(_system(source) and _system(target) and _system(source) != _system(target))
            for rule, forbidden in _forbidden(centre, source, target):
                first = forbidden[0]
                verdict = centre.network.verdict(source, target, first.first, first.protocol)
                breaches.append(Breach(rule, forbidden, verdict))
    return Proof(pairs, between, tuple(breaches))


def _forbidden(centre: Centre, source: End, target: End) -> Iterator[tuple[str, tuple[Ports, ...]]]:
    """Yield the rule that a pair breaks, with the ports; the rules are docs/network.md's."""
    here, there = _system(source), _system(target)
    if here and there and here != there:
        rule, allowed = "systems-apart", _declared(centre, source, target)
    elif there and source.name == INTERNET:
        rule, allowed = f"internet-to-{_tier(target)}", ()
    elif there and source.name == ELSEWHERE:
        rule, allowed = f"stranger-to-{_tier(target)}", ()
    elif there and source.name == JOB_HOST:
        rule = f"job-host-to-{_tier(target)}"
        allowed = (_POSTGRES,) if target.name == f"{there}/database" else ()
    elif _of(source, naming.MONITORING) or _of(target, naming.MONITORING):
        rule, measured = "monitoring-measures-only", f"{there}/database"
        measures = source.name == f"{naming.MONITORING}/{naming.PROMETHEUS}" and target.name == measured
        allowed = (_METRICS,) if measures else ()
    elif _of(source, naming.DRILLS) or _of(target, naming.DRILLS):
        rule, allowed = "drills-apart", ()
    elif here and target.name == INTERNET and _tier(source) == "data":
        rule, allowed = "data-to-internet", ()
    else:
        return
    if left := minus(centre.network.open_ports(source, target), allowed):
        yield rule, left


def _declared(centre: Centre, source: End, target: End) -> tuple[Ports, ...]:
    here, there = _system(source), _system(target)
    if target.name != f"{there}/web" or _tier(source) != "app":
        return ()
    return tuple(
        ports for each in centre.integrations if (each.source, each.target) == (here, there) for ports in each.ports
    )


def _of(end: End, namespace: str) -> bool:
    return isinstance(end, Pods) and end.namespace == namespace


def _system(end: End) -> str | None:
    return end.system if isinstance(end, Pods) else None


def _tier(end: End) -> str | None:
    return end.tier if isinstance(end, Pods) else None
