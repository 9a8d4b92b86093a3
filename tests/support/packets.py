"""Sends single packets through NetworkPolicy documents, the slow and plain way; shares no code with what it judges.

Written from the API reference of networking.k8s.io/v1, over one concrete address, port and protocol at a time.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from itertools import product
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Host:
    """A pod, or (without a namespace) an address of the outside; `network` holds every address that it may have."""

    name: str
    network: str
    namespace: str = ""
    namespace_labels: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class Packet:
    """One packet as it arrives: from and to one address each, at one port of one host."""

    here: ipaddress.IPv4Address
    there: ipaddress.IPv4Address
    target: Host
    protocol: str
    port: int


@functools.cache
def block(cidr: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(cidr)


@functools.cache
def ways(source: str, target: str) -> list[tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]]:
    """Return every pair of addresses between two blocks."""
    return list(product(block(source), block(target)))


def reaches(policies: list[Document], source: Host, target: Host, protocol: str, port: int) -> bool:
    """Say whether any packet between any of their addresses passes."""
    for here, there in ways(source.network, target.network):
        packet = Packet(here, there, target, protocol, port)
        if passes(policies, "Egress", source, target, packet) and passes(policies, "Ingress", target, source, packet):
            return True
    return False


def passes(policies: list[Document], way: str, subject: Host, peer: Host, packet: Packet) -> bool:
    """Say whether one side lets one packet through."""
    isolated, address = False, packet.there if way == "Egress" else packet.here
    for policy in policies:
        if not subject.namespace or policy["metadata"]["namespace"] != subject.namespace:
            continue
        spec = policy["spec"]
        types = spec.get("policyTypes")
        if types is None:
            types = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        if way not in types or not selected(spec["podSelector"], dict(subject.labels)):
            continue
        isolated = True
        for rule in spec.get(way.lower()) or []:
            peers = rule.get("from" if way == "Ingress" else "to")
            if peers and not any(is_peer(each, policy, peer, address) for each in peers):
                continue
            ports = rule.get("ports")
            if not ports or any(is_port(each, packet) for each in ports):
                return True
    return not isolated


def is_peer(each: Document, policy: Document, peer: Host, address: ipaddress.IPv4Address) -> bool:
    if "ipBlock" in each:
        asked = each["ipBlock"]
        return address in block(asked["cidr"]) and not any(address in block(cidr) for cidr in asked.get("except", []))
    if not peer.namespace:
        return False
    if "namespaceSelector" in each:
        if not selected(each["namespaceSelector"], dict(peer.namespace_labels)):
            return False
    elif peer.namespace != policy["metadata"]["namespace"]:
        return False
    return "podSelector" not in each or selected(each["podSelector"], dict(peer.labels))


def is_port(each: Document, packet: Packet) -> bool:
    if each.get("protocol", "TCP") != packet.protocol:
        return False
    if "port" not in each:
        return True
    if isinstance(each["port"], str):
        return (each["port"], packet.protocol, packet.port) in packet.target.ports
    return bool(each["port"] <= packet.port <= each.get("endPort", each["port"]))


def selected(selector: Document, labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if key not in labels or labels[key] != value:
            return False
    for each in selector.get("matchExpressions", []):
        key, operator = each["key"], each["operator"]
        if operator == "In" and (key not in labels or labels[key] not in each["values"]):
            return False
        if operator == "NotIn" and key in labels and labels[key] in each["values"]:
            return False
        if operator == "Exists" and key not in labels:
            return False
        if operator == "DoesNotExist" and key in labels:
            return False
    return True
