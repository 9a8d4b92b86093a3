"""Keeps the citizens inside the lab: says from which address they call; refuses any way that leaves this machine."""

from __future__ import annotations

import ipaddress
import json
from typing import Final

from lab.addresses import SOURCE_NETWORK, UPLINK_ROOT, UPLINK_ROOT_DEVICE
from lab.command import run
from lab.errors import LabError

_LOOPBACK: Final = "127.0.0.1"


def local_address(address: str) -> str:
    """Return the address to call `address` (or address:port) from: one that vanishes with the lab.

    A lab that is down leaves its addresses to the default route. Bound to the uplink's own address, a connection then
    fails on this machine instead. Raises `LabError` when the way to `address` is not the lab's or loopback.
    """
    host = address.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError as error:
        raise _refusal(host, "it is not an IP address") from error
    if parsed.is_loopback:
        return _LOOPBACK
    if parsed not in ipaddress.ip_network(SOURCE_NETWORK):
        raise _refusal(host, f"it is outside the lab's {SOURCE_NETWORK}")
    found = run(["ip", "-json", "route", "get", host], check=False).stdout
    device = json.loads(found)[0].get("dev") if found.strip() else None
    if device != UPLINK_ROOT_DEVICE:
        raise _refusal(host, f"the way to it is {device or 'nowhere'}, not {UPLINK_ROOT_DEVICE}: the lab is not up")
    return UPLINK_ROOT


def _refusal(host: str, why: str) -> LabError:
    return LabError(
        "traffic-leaves-the-lab",
        what=f"citizens must not call {host}",
        why=why,
        state="nothing was sent",
        next="dcshift lab up, or give --resolve an address of the lab",
    )
