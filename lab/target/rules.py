"""Packet-filter rules, tables and sets of the cluster's programs: what was there before, ours, and taking ours away.

It never flushes a table or a chain that may belong to the machine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from lab.addresses import NODE_ADDRESS
from lab.command import run
from lab.paths import RUN
from lab.target.layout import GUARD_TABLE
from lab.target.object_store import INNER_PORTS

_BEFORE: Final = RUN / "target-before.json"
_OURS: Final = re.compile(r"KUBE-|CNI-")
_BRIDGE_SETTING: Final = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def remember() -> None:
    """Write down what the machine's network looks like, unless a run that was not cleaned up did so already."""
    if _BEFORE.exists():
        return
    before = {
        "tables": _tables(),
        "bridge": _BRIDGE_SETTING.read_text().strip() if _BRIDGE_SETTING.exists() else None,
    }
    _BEFORE.parent.mkdir(parents=True, exist_ok=True)
    _BEFORE.write_text(json.dumps(before))


def guard() -> None:
    """Let bridged pods pass the packet filter, and close the object store's inner ports to all but the node itself."""
    if _BRIDGE_SETTING.exists():
        _BRIDGE_SETTING.write_text("1\n")
    ports = ", ".join(str(port) for port in INNER_PORTS)
    rules = f"""
table inet {GUARD_TABLE}
delete table inet {GUARD_TABLE}
table inet {GUARD_TABLE} {{
  chain input {{
    type filter hook input priority filter - 5; policy accept;
    ip daddr {NODE_ADDRESS} iif != "lo" tcp dport {{ {ports} }} reject
  }}
}}
"""
    run(["nft", "-f", "-"], input=rules)


def remove_rules() -> None:
    """Remove the packet-filter rules, tables and sets of kube-proxy, the kubelet, kube-router and the CNI plugins."""
    for table in ("ip kube-proxy", "ip6 kube-proxy", f"inet {GUARD_TABLE}"):
        if table in _tables():
            run(["nft", "delete", "table", *table.split()])
    for program in ("iptables", "ip6tables"):
        saved = run([f"{program}-save"], check=False).stdout
        script = removal_script(saved)
        if script:
            run([f"{program}-restore", "--noflush"], input=script)
    sets = [name for name in run(["ipset", "list", "-name"], check=False).stdout.split() if _is_our_set(name)]
    for name in sets:
        run(["ipset", "destroy", name], check=False)
    _restore_settings()


def removal_script(saved: str) -> str:
    """Return the `iptables-restore --noflush` text that removes our chains and all rules that jump to them.

    `saved` is what iptables-save printed. Rules of the machine's own stay, in their order.
    """
    lines: list[str] = []
    for table, body in re.findall(r"^\*(\w+)\n(.*?)^COMMIT", saved, re.MULTILINE | re.DOTALL):
        chains = [line[1:].split()[0] for line in body.splitlines() if line.startswith(":") and _OURS.match(line[1:])]
        rules = [line for line in body.splitlines() if line.startswith("-A ") and not _OURS.match(line.split()[1])]
        jumps = [rule for rule in rules if re.search(r"(?:-j|-g) (?:KUBE-|CNI-)", rule) or "kube-router" in rule]
        if not chains and not jumps:
            continue
        lines += [f"*{table}", *(f":{chain} - [0:0]" for chain in chains)]
        lines += [rule.replace("-A ", "-D ", 1) for rule in jumps]
        lines += [f"-X {chain}" for chain in chains]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n" if lines else ""


def leftovers() -> list[str]:
    """Name our tables and rules that exist now."""
    found = [f"nft table {name}" for name in _tables() if name.endswith(("kube-proxy", GUARD_TABLE))]
    for program in ("iptables", "ip6tables"):
        if removal_script(run([f"{program}-save"], check=False).stdout):
            found.append(f"rules of {program}")
    return found


def _restore_settings() -> None:
    """Give the bridge setting back, and drop tables that iptables made for us and that hold nothing any more."""
    before = json.loads(_BEFORE.read_text()) if _BEFORE.exists() else None
    if before is None:
        return
    if before["bridge"] is not None:
        _BRIDGE_SETTING.write_text(before["bridge"] + "\n")
    for table in _tables():
        family, name = table.split()
        if table not in before["tables"] and family in ("ip", "ip6") and name in ("filter", "nat", "mangle", "raw"):
            listing = run(["nft", "list", "table", family, name], check=False).stdout
            if not re.search(r"^\t\t(?!type )\S", listing, re.MULTILINE):
                run(["nft", "delete", "table", family, name], check=False)
    _BEFORE.unlink()


def _tables() -> list[str]:
    lines = run(["nft", "list", "tables"], check=False).stdout.splitlines()
    return [line.removeprefix("table ").strip() for line in lines if line.startswith("table ")]


def _is_our_set(name: str) -> bool:
    return name.startswith(("KUBE-", "kube-router-", "inet6:KUBE-", "inet6:kube-router-"))
