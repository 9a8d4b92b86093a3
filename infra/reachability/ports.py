"""Sets of ports as ranges per protocol; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True, order=True)
class Ports:
    """All ports of one protocol from the first to the last, both included."""

    protocol: str
    first: int
    last: int

    def __contains__(self, asked: tuple[str, int]) -> bool:
        return asked[0] == self.protocol and self.first <= asked[1] <= self.last

    def __str__(self) -> str:
        if (self.first, self.last) == (1, PORT_MAX):
            return f"all {self.protocol}"
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return numbers if self.protocol == "TCP" else f"{numbers}/{self.protocol.lower()}"


EVERY: Final = tuple(Ports(protocol, 1, PORT_MAX) for protocol in PROTOCOLS)


def merged(given: Iterable[Ports]) -> tuple[Ports, ...]:
    """Return the same ports in as few ranges as possible, ordered."""
    found: list[Ports] = []
    for each in sorted(given):
        last = found[-1] if found else None
        if last and last.protocol == each.protocol and each.first <= last.last + 1:
            found[-1] = Ports(last.protocol, last.first, max(last.last, each.last))
        else:
            found.append(each)
    return tuple(found)


def both(ones: Iterable[Ports], others: Iterable[Ports]) -> tuple[Ports, ...]:
    """Return the ports that are in both sets."""
    listed = list(others)
    found = [
        Ports(one.protocol, max(one.first, other.first), min(one.last, other.last))
        for one in ones
        for other in listed
        if one.protocol == other.protocol and max(one.first, other.first) <= min(one.last, other.last)
    ]
    return merged(found)


def minus(ones: Iterable[Ports], others: Iterable[Ports]) -> tuple[Ports, ...]:
    """Return the ports of the first set that are not in the second."""
    left = list(ones)
    for taken in others:
        rest: list[Ports] = []
        for each in left:
            if each.protocol != taken.protocol or each.last < taken.first or taken.last < each.first:
                rest.append(each)
                continue
            if each.first < taken.first:
                rest.append(Ports(each.protocol, each.first, taken.first - 1))
            if taken.last < each.last:
                rest.append(Ports(each.protocol, taken.last + 1, each.last))
        left = rest
    return merged(left)


def said(given: Iterable[Ports]) -> str:
    """Return ports as people read them: `5432`, `53, 53/udp`, `everything`, `-`."""
    listed = tuple(given)
    return "everything" if merged(listed) == merged(EVERY) else ", ".join(str(each) for each in listed) or "-"
