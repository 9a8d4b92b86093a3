"""Network policies read from their manifests, with the API's defaults filled in; pure.

After the API reference of networking.k8s.io/v1: a missing or empty `from`, `to` or `ports` allows all; a missing or
empty list of rules allows nothing; a peer without `namespaceSelector` means the policy's own namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.reachability import addresses
from infra.reachability.addresses import Range
from infra.reachability.ends import End, Outside, Pods, numbers
from infra.reachability.ports import EVERY, PORT_MAX, Ports, merged
from infra.reachability.selectors import Selector

Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a rule speaks of: a block of addresses, or pods by namespace and labels."""

    namespaces: Selector | None = None
    pods: Selector | None = None
    block: Range | None = None
    excepts: tuple[Range, ...] = ()

    def means(self, end: End, namespace: str) -> bool:
        """Say whether it may mean an end; `namespace` is the policy's own."""
        if self.block is not None:
            # A block may mean pods as well: enforcers compare addresses, and a pod has one.
            return addresses.meeting(end.addresses, self.block, self.excepts) is not None
        if isinstance(end, Outside):
            return False
        if self.namespaces is None:
            return end.namespace == namespace and (self.pods or Selector()).meets(end.labels)
        return self.namespaces.meets(end.namespace_labels) and (self.pods or Selector()).meets(end.labels)


@dataclass(frozen=True, slots=True)
class PortRule:
    """Ports of a rule: none named means all of the protocol."""

    protocol: str
    port: int | str | None
    end_port: int | None

    def at(self, target: End) -> tuple[Ports, ...]:
        """Return the ports that it means at the receiving end; a name means what that end calls so."""
        match self.port:
            case None:
                return (Ports(self.protocol, 1, PORT_MAX),)
            case int(number):
                return (Ports(self.protocol, number, self.end_port or number),)
            case name:
                found = numbers(target, self.protocol, name)
                if found is None:
                    return (Ports(self.protocol, 1, PORT_MAX),)
                return tuple(Ports(self.protocol, number, number) for number in found)


@dataclass(frozen=True, slots=True)
class Rule:
    """One opening: any of its peers at any of its ports; None means all of them."""

    peers: tuple[Peer, ...] | None
    ports: tuple[PortRule, ...] | None

    def opens(self, peer: End, target: End, namespace: str) -> tuple[Ports, ...]:
        """Return the ports of the target that it opens towards a peer."""
        if self.peers is not None and not any(each.means(peer, namespace) for each in self.peers):
            return ()
        if self.ports is None:
            return EVERY
        return tuple(ports for rule in self.ports for ports in rule.at(target))


@dataclass(frozen=True, slots=True)
class Policy:
    """One NetworkPolicy."""

    namespace: str
    name: str
    pods: Selector
    directions: frozenset[str]
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    def selects(self, end: Pods, direction: Direction) -> bool:
        return (
            direction in self.directions
            and self.namespace == end.namespace
            and end.labels is not None
            and self.pods.meets(end.labels)
        )

    def opens(self, direction: Direction, peer: End, target: End) -> tuple[Ports, ...]:
        """Return the target's ports that it opens in one direction towards a peer."""
        rules = self.ingress if direction == "Ingress" else self.egress
        return merged(ports for rule in rules for ports in rule.opens(peer, target, self.namespace))


def read(document: Mapping[str, Any]) -> Policy:
    """Return a policy from its manifest. Raises `ValueError` for what the API would refuse or we do not know."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    name = f"{metadata['namespace']}/{metadata['name']}"
    try:
        _known(spec, {"podSelector", "policyTypes", "ingress", "egress"})
        egress = tuple(_rule(each, "to") for each in spec.get("egress") or [])
        # Without policyTypes a policy is for what comes in, and for what goes out only if it says something of it.
        directions = spec.get("policyTypes") or ["Ingress", *(["Egress"] if egress else [])]
        return Policy(
            namespace=metadata["namespace"],
            name=metadata["name"],
            pods=Selector.of(spec.get("podSelector")),
            directions=frozenset(directions),
            ingress=tuple(_rule(each, "from") for each in spec.get("ingress") or []),
            egress=egress,
        )
    except (ValueError, KeyError, TypeError) as bad:
        raise ValueError(f"network policy {name} cannot be read: {bad}") from bad


def _known(document: Mapping[str, Any], keys: set[str]) -> None:
    if unknown := set(document) - keys:
        raise ValueError(f"{', '.join(sorted(unknown))} is not known")


def _rule(document: Mapping[str, Any], peers: str) -> Rule:
    _known(document, {peers, "ports"})
    return Rule(
        peers=tuple(_peer(each) for each in document[peers]) if document.get(peers) else None,
        ports=tuple(_ports(each) for each in document["ports"]) if document.get("ports") else None,
    )


def _peer(document: Mapping[str, Any]) -> Peer:
    _known(document, {"podSelector", "namespaceSelector", "ipBlock"})
    if not document:
        raise ValueError("a peer must say whom it means")
    if "ipBlock" in document:
        if len(document) > 1:
            raise ValueError("a peer with ipBlock may say nothing else")
        block = document["ipBlock"]
        _known(block, {"cidr", "except"})
        excepts = tuple(Range.of(cidr) for cidr in block.get("except") or [])
        return Peer(block=Range.of(block["cidr"]), excepts=excepts)
    return Peer(
        namespaces=Selector.of(document["namespaceSelector"]) if "namespaceSelector" in document else None,
        pods=Selector.of(document["podSelector"]) if "podSelector" in document else None,
    )


def _ports(document: Mapping[str, Any]) -> PortRule:
    _known(document, {"protocol", "port", "endPort"})
    port, end_port = document.get("port"), document.get("endPort")
    if end_port is not None and (not isinstance(port, int) or end_port < port):
        raise ValueError(f"endPort {end_port} needs a numeric port that is not above it")
    return PortRule(document.get("protocol") or "TCP", port, end_port)
