"""The lab's wires: source namespace, uplink, node bridge; it touches nothing that it did not make, nor the outside.

    db1 app1 files1 edge1 ── source0 (namespace dcshift-source) ── uplink ═══ dcs-up (root) ── pods, node 192.0.2.10

Source hosts reach the node, the pods and the job host; everything else is unreachable for them. In the root namespace
an nft table of our own drops what would leave the lab, whatever other tables accept.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Final

from lab import addresses
from lab.command import run
from lab.errors import LabError
from lab.paths import RUN

_SOURCE_PREFIX: Final = 25  # hosts live in the lower half of SOURCE_NETWORK, the uplink in the upper one
_TARGET_NETWORKS: Final = "198.18.0.0/15"  # pods and services
_TABLE: Final = "dcshift"
_FORWARDING: Final = Path("/proc/sys/net/ipv4/ip_forward")

_LAB: Final = f"{addresses.SOURCE_NETWORK}, {_TARGET_NETWORKS}"
_RULES: Final = f"""
table inet {_TABLE}
delete table inet {_TABLE}
table inet {_TABLE} {{
  chain forward {{
    type filter hook forward priority filter - 5; policy accept;
    ip saddr {{ {_LAB} }} ip daddr != {{ {_LAB}, {addresses.NODE_ADDRESS} }} reject
    iifname "{addresses.UPLINK_ROOT_DEVICE}" ip saddr != {addresses.SOURCE_NETWORK} drop
  }}
}}
"""


def up_source() -> None:
    """Make the source's namespace, bridge and uplink; a second call changes nothing."""
    namespace, root, peer = addresses.SOURCE_NAMESPACE, addresses.UPLINK_ROOT_DEVICE, addresses.UPLINK_SOURCE_DEVICE
    _guard_own_routes()
    if not (Path("/run/netns") / namespace).exists():
        run(["ip", "netns", "add", namespace])
    if not _device(root):
        run(["ip", "link", "add", root, "type", "veth", "peer", "name", peer, "netns", namespace])
    if not _device(addresses.SOURCE_BRIDGE, namespace):
        run([*_ip(namespace), "link", "add", addresses.SOURCE_BRIDGE, "type", "bridge", "stp_state", "0"])
    _address(f"{addresses.SOURCE_GATEWAY}/{_SOURCE_PREFIX}", addresses.SOURCE_BRIDGE, namespace)
    _address(f"{addresses.UPLINK_SOURCE}/30", peer, namespace)
    _address(f"{addresses.UPLINK_ROOT}/30", root)
    for device in ("lo", addresses.SOURCE_BRIDGE, peer):
        run([*_ip(namespace), "link", "set", device, "up"])
    run(["ip", "link", "set", root, "up"])
    for network in (addresses.NODE_ADDRESS, _TARGET_NETWORKS):
        run([*_ip(namespace), "route", "replace", network, "via", addresses.UPLINK_ROOT])
    run([*_ip(namespace), "route", "replace", "unreachable", "default"])
    run(["ip", "route", "replace", f"{_hosts_network()}/{_SOURCE_PREFIX}", "via", addresses.UPLINK_SOURCE])
    # A namespace starts with forwarding off; nsenter, because /proc/sys/net shows the reader's own namespace.
    run(["nsenter", f"--net=/run/netns/{namespace}", "sh", "-c", f"echo 1 > {_FORWARDING}"])
    _forward()


def down_source() -> None:
    """Remove what `up_source` made; hosts in the namespace must be gone already."""
    if _device(addresses.UPLINK_ROOT_DEVICE):
        run(["ip", "link", "delete", addresses.UPLINK_ROOT_DEVICE])
    if (Path("/run/netns") / addresses.SOURCE_NAMESPACE).exists():
        run(["ip", "netns", "delete", addresses.SOURCE_NAMESPACE])
    _stop_forwarding_if_unused()


def up_node() -> None:
    """Make the target node's bridge with its single address; a second call changes nothing."""
    if not _device(addresses.NODE_BRIDGE):
        run(["ip", "link", "add", addresses.NODE_BRIDGE, "type", "bridge"])
    _address(f"{addresses.NODE_ADDRESS}/32", addresses.NODE_BRIDGE)
    run(["ip", "link", "set", addresses.NODE_BRIDGE, "up"])
    _forward()


def up_receivers() -> None:
    """Give the receivers of the security log their addresses; they go with the node's bridge."""
    for address in (addresses.SOC_ADDRESS, addresses.NATION_ADDRESS):
        _address(f"{address}/32", addresses.NODE_BRIDGE)


def down_node() -> None:
    """Remove what `up_node` made."""
    if _device(addresses.NODE_BRIDGE):
        run(["ip", "link", "delete", addresses.NODE_BRIDGE])
    _stop_forwarding_if_unused()


def leftovers() -> list[str]:
    """Name every wire of the lab that exists now; empty after a clean `lab down`."""
    found = [name for name in (addresses.UPLINK_ROOT_DEVICE, addresses.NODE_BRIDGE) if _device(name)]
    if (Path("/run/netns") / addresses.SOURCE_NAMESPACE).exists():
        found.append(f"netns {addresses.SOURCE_NAMESPACE}")
    if run(["nft", "list", "table", "inet", _TABLE], check=False).returncode == 0:
        found.append(f"nft table inet {_TABLE}")
    return found


def _forward() -> None:
    remembered = RUN / "ip_forward"
    if not remembered.exists():
        RUN.mkdir(parents=True, exist_ok=True)
        remembered.write_text(_FORWARDING.read_text())
    _FORWARDING.write_text("1\n")
    run(["nft", "-f", "-"], input=_RULES)


def _stop_forwarding_if_unused() -> None:
    """Give the machine its own settings back once neither data centre needs ours."""
    if _device(addresses.UPLINK_ROOT_DEVICE) or _device(addresses.NODE_BRIDGE):
        return
    run(["nft", "delete", "table", "inet", _TABLE], check=False)
    remembered = RUN / "ip_forward"
    if remembered.exists():
        _FORWARDING.write_text(remembered.read_text())
        remembered.unlink()


def _guard_own_routes() -> None:
    """Refuse where the machine itself reaches the lab's network by another way: its own traffic would go astray."""
    lab = ipaddress.ip_network(addresses.SOURCE_NETWORK)
    for route in json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]).stdout):
        known = route["dst"] == "default" or route.get("dev") == addresses.UPLINK_ROOT_DEVICE
        if known or not ipaddress.ip_network(route["dst"], strict=False).overlaps(lab):
            continue
        raise LabError(
            "lab-network-in-use",
            what=f"the lab cannot use {addresses.SOURCE_NETWORK} on this machine",
            why=f"the machine has a route to {route['dst']} by {route.get('dev', 'no device')}",
            state="nothing was changed",
            next="run the lab on a machine outside that network (addresses: lab/addresses.py)",
        )


def _address(address: str, device: str, namespace: str | None = None) -> None:
    run([*_ip(namespace), "address", "replace", address, "dev", device])


def _device(name: str, namespace: str | None = None) -> bool:
    return run([*_ip(namespace), "link", "show", "dev", name], check=False).returncode == 0


def _ip(namespace: str | None = None) -> list[str]:
    return ["ip", "-n", namespace] if namespace else ["ip"]


def _hosts_network() -> str:
    return addresses.SOURCE_NETWORK.partition("/")[0]
