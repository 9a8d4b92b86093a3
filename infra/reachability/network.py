"""May this end reach that port, and which policies decide it? Exact for known pods, never too little otherwise; pure.

A path is open if the sender's side lets it out and the receiver's side lets it in. A side that no policy selects lets
everything pass. Answers to a packet that was let through need no rule. A pod always reaches itself: what is said of
a workload and itself is said of two of its pods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from infra.reachability.ends import End, Pods
from infra.reachability.policies import Direction, Policy
from infra.reachability.ports import EVERY, Ports, both, merged


@dataclass(frozen=True, slots=True)
class Side:
    """What one end's policies say: those that let it pass, else those that select the end and do not."""

    end: str
    isolated: bool
    passes: bool
    policies: tuple[str, ...]

    def sentence(self, way: str) -> str:
        """Say it as people read it; `way` is `out` or `in`."""
        named = ", ".join(self.policies)
        if not self.isolated:
            return f"{way:<4} open: no policy selects {self.end}"
        return (
            f"{way:<4} open: {named}" if self.passes else f"{way:<4} closed: {named} select{_s(self)} it, none lets it"
        )


def _s(side: Side) -> str:
    return "s" if len(side.policies) == 1 else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one port, with both sides' reasons."""

    source: str
    target: str
    protocol: str
    port: int
    egress: Side
    ingress: Side

    @property
    def allowed(self) -> bool:
        return self.egress.passes and self.ingress.passes


class Network:
    """All policies of a centre, ready to be asked."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_namespace: dict[str, list[Policy]] = defaultdict(list)
        for policy in policies:
            self._by_namespace[policy.namespace].append(policy)

    def verdict(self, source: End, target: End, port: int, protocol: str = "TCP") -> Verdict:
        """Answer about one port."""
        return Verdict(
            source.name,
            target.name,
            protocol,
            port,
            self._side("Egress", source, target, target, (protocol, port)),
            self._side("Ingress", target, source, target, (protocol, port)),
        )

    def open_ports(self, source: End, target: End) -> tuple[Ports, ...]:
        """Return every port of the target that the source may reach."""
        out = self._openings("Egress", source, target, target)
        return both(out, self._openings("Ingress", target, source, target)) if out else ()

    def _selecting(self, direction: Direction, end: End) -> list[Policy]:
        if not isinstance(end, Pods):
            return []
        return [each for each in self._by_namespace.get(end.namespace, ()) if each.selects(end, direction)]

    def _openings(self, direction: Direction, end: End, peer: End, target: End) -> tuple[Ports, ...]:
        selecting = self._selecting(direction, end)
        if not selecting:
            return EVERY
        return merged(ports for policy in selecting for ports in policy.opens(direction, peer, target))

    def _side(self, direction: Direction, end: End, peer: End, target: End, asked: tuple[str, int]) -> Side:
        selecting = self._selecting(direction, end)
        letting = [p for p in selecting if any(asked in ports for ports in p.opens(direction, peer, target))]
        named = tuple(policy.full_name for policy in (letting or selecting))
        return Side(end.name, bool(selecting), bool(letting) or not selecting, named)
