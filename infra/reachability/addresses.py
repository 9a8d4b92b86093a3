"""Sets of IP addresses as ranges of numbers, so that "may any of these" has an exact answer; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """All addresses of one family from the first to the last, both included."""

    version: int
    first: int
    last: int

    @classmethod
    def of(cls, cidr: str) -> Range:
        """Return the range of a CIDR or of one address. Raises `ValueError`."""
        network = ipaddress.ip_network(cidr, strict=False)
        return cls(network.version, int(network.network_address), int(network.broadcast_address))


def ranges(cidrs: Iterable[str], without: Iterable[str] = ()) -> tuple[Range, ...]:
    """Return the addresses of some CIDRs that are in none of the others. Raises `ValueError`."""
    left = [Range.of(cidr) for cidr in cidrs]
    for taken in (Range.of(cidr) for cidr in without):
        left = [rest for each in left for rest in _minus(each, taken)]
    return tuple(sorted(left))


def meeting(addresses: Iterable[Range], block: Range, excepts: Sequence[Range] = ()) -> str | None:
    """Return one address that is in the set and in the block and in no exception; none if there is none."""
    for each in addresses:
        left = _both(each, block)
        for taken in excepts:
            left = [rest for part in left for rest in _minus(part, taken)]
        if left:
            family = ipaddress.IPv4Address if each.version == 4 else ipaddress.IPv6Address
            return str(family(left[0].first))
    return None


def _both(one: Range, other: Range) -> list[Range]:
    first, last = max(one.first, other.first), min(one.last, other.last)
    return [Range(one.version, first, last)] if one.version == other.version and first <= last else []


def _minus(one: Range, taken: Range) -> list[Range]:
    if not _both(one, taken):
        return [one]
    parts = (Range(one.version, one.first, taken.first - 1), Range(one.version, taken.last + 1, one.last))
    return [part for part in parts if part.first <= part.last]


EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
NOT_ROUTED: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "198.18.0.0/15", "224.0.0.0/3", "::/3", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
"""Addresses that no packet of the internet carries (RFC 6890, and multicast)."""
PODS: Final = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "fc00::/7")
"""Where a cluster may take its pods' addresses from: a block that meets these is taken to reach every pod."""
