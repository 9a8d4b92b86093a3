"""What must never be open, looked for in every pair of ends; a breach names its path and its policies; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from infra import naming
from infra.components.network_policies import LOG_PORT
from infra.monitoring.targets import DATABASE_PORT, POOLER_PORT
from infra.reachability.centre import ELSEWHERE, INTERNET, JOB_HOST, Centre, Receiver
from infra.reachability.ends import End, Outside, Pods
from infra.reachability.network import Verdict
from infra.reachability.ports import Ports, both, minus, said

_POSTGRES: Final = Ports("TCP", 5432, 5432)
_METRICS: Final = {
    "database": Ports("TCP", DATABASE_PORT, DATABASE_PORT),
    "pooler": Ports("TCP", POOLER_PORT, POOLER_PORT),
}
_RELP: Final = Ports("TCP", LOG_PORT, LOG_PORT)
_AGENT: Final = f"{naming.LOG_AGENTS}/{naming.LOG_AGENT}"
_RELAY: Final = f"{naming.SECURITY_LOG}/{naming.LOG_RELAY}"
_CONNECTOR: Final = f"{naming.SECURITY_LOG}/{naming.LOG_NATIONAL}"
_NAMES: Final = (Ports("TCP", 53, 53), Ports("UDP", 53, 53))


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
    """Look at every ordered pair of ends of which one is looked at, at every port of every protocol."""
    pairs, between, breaches = 0, 0, []
    for source in centre.ends:
        for target in centre.ends:
            if not (_looked_at(source) or _looked_at(target)):
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
    if _of_log(source) or _of_log(target):
        rule, allowed = "security-log-apart", _of_security_log(centre, source, target)
    elif receiver := _receiver(centre, target):
        # At its port alone: the address may be that of something else as well, which has rules of its own.
        if taken := both(centre.network.open_ports(source, target), [receiver.port]):
            yield "receivers-by-relay-only", taken
        return
    elif here and there and here != there:
        rule, allowed = "systems-apart", _declared(centre, source, target)
    elif there and source.name == INTERNET:
        rule, allowed = f"internet-to-{_tier(target)}", ()
    elif there and source.name == ELSEWHERE:
        rule, allowed = f"stranger-to-{_tier(target)}", ()
    elif there and source.name == JOB_HOST:
        rule = f"job-host-to-{_tier(target)}"
        allowed = (_POSTGRES,) if target.name == f"{there}/database" else ()
    elif _of(source, naming.MONITORING) or _of(target, naming.MONITORING):
        rule, measures = "monitoring-measures-only", source.name == f"{naming.MONITORING}/{naming.PROMETHEUS}"
        measured = _METRICS.get(target.name.removeprefix(f"{there}/"))
        allowed = (measured,) if measures and measured else ()
    elif _of(source, naming.DRILLS) or _of(target, naming.DRILLS):
        rule, allowed = "drills-apart", ()
    elif here and isinstance(target, Outside) and (found := _outward(centre, source, target)):
        rule, allowed = found
    else:
        return
    if left := minus(centre.network.open_ports(source, target), allowed):
        yield rule, left


def _outward(centre: Centre, source: End, target: Outside) -> tuple[str, tuple[Ports, ...]] | None:
    """Return the rule of a way out of the centre and what may pass; none where no rule speaks of the target."""
    here = _system(source)
    if target.name == INTERNET:
        return f"{_tier(source)}-to-internet", ()
    for each in centre.endpoints:
        if each.name == target.name:
            may = here in each.callers and _tier(source) == "app" and source.name != f"{here}/schema"
            return "nation-by-declaration", (each.port,) if may else ()
    return None


def _declared(centre: Centre, source: End, target: End) -> tuple[Ports, ...]:
    here, there = _system(source), _system(target)
    if target.name != f"{there}/web" or _tier(source) != "app" or source.name == f"{here}/schema":
        return ()
    return tuple(
        ports for each in centre.integrations if (each.source, each.target) == (here, there) for ports in each.ports
    )


def _of_security_log(centre: Centre, source: End, target: End) -> tuple[Ports, ...]:
    """Return what may pass where one end is of the security log: to the next program, out, and names for agents."""
    if source.name == _AGENT and target.name == "dns":
        return _NAMES
    if (source.name, target.name) in ((_AGENT, _RELAY), (_RELAY, _CONNECTOR)):
        return (_RELP,)
    # An address may be that of more than one receiver, each at its port.
    return tuple(
        each.port
        for each in centre.receivers
        if isinstance(target, Outside)
        and set(each.addresses) & set(target.addresses)
        and source.name == {"soc": _RELAY, "national": _CONNECTOR}[each.name]
    )


def _receiver(centre: Centre, target: End) -> Receiver | None:
    return next((each for each in centre.receivers if isinstance(target, Outside) and each.name == target.name), None)


def _of_log(end: End) -> bool:
    return _of(end, naming.SECURITY_LOG, naming.LOG_AGENTS)


def _looked_at(end: End) -> bool:
    return bool(_system(end)) or _of_log(end)


def _of(end: End, *namespaces: str) -> bool:
    return isinstance(end, Pods) and end.namespace in namespaces


def _system(end: End) -> str | None:
    return end.system if isinstance(end, Pods) else None


def _tier(end: End) -> str | None:
    return end.tier if isinstance(end, Pods) else None
