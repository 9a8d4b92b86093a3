"""`python -m lab.target.receivers up|down`: who receives the lab's security log; they keep plain files.

Real receivers are the monitoring centre's and the nation's own. These take lines from the relay's certificate only.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from lab import ca, network, rsyslog
from lab.addresses import DOMAIN, LOG_PORT, NATION_ADDRESS, SOC_ADDRESS
from lab.errors import LabError
from lab.target.layout import SECURITY
from lab.target.processes import Daemon, alive, start, stop

_CLIENT: Final = "relay.khanhhoa.example"
SINKS: Final = {
    "soc": (f"soc.{DOMAIN}", SOC_ADDRESS, "relp"),
    "national": ("giamsat.example", NATION_ADDRESS, "syslog"),
}


def certificates() -> None:
    """Write each receiver's certificate, and the one that it gives to the centre where `infra.provide` looks."""
    for name, (host, address, _) in SINKS.items():
        _write(name, host, [host], [address])
        _write(f"{name}-tls", _CLIENT, [_CLIENT], [])


def up() -> None:
    """Start both receivers; they run until `down`, or until the lab's."""
    network.up_receivers()
    for name, (_, address, protocol) in SINKS.items():
        folder = SECURITY / name
        sink = rsyslog.Sink(address, LOG_PORT, protocol, folder, _CLIENT, SECURITY / f"{name}.log")
        (folder / "rsyslog.conf").write_text(sink.configuration)
        start(Daemon(_daemon(name), rsyslog.argv(folder / "rsyslog.conf")))


def down() -> None:
    for name in SINKS:
        stop(_daemon(name))


def _daemon(name: str) -> str:
    return f"log-receiver-{name}"


def _write(name: str, common: str, dns_names: list[str], addresses: list[str]) -> None:
    folder = SECURITY / name
    if (folder / "tls.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate, key = ca.SITES.issue(common, dns_names, addresses)
    ca.write_private(folder / "tls.key", key.encode())
    (folder / "ca.crt").write_text((ca.SITES.folder / "ca.pem").read_text())
    (folder / "tls.crt").write_text(certificate)


def main() -> int:
    """Start or stop them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.target.receivers", description=__doc__)
    parser.add_argument("verb", choices=("up", "down"))
    verb = parser.parse_args().verb
    try:
        if verb == "down":
            down()
            return 0
        if not alive("kube-apiserver"):
            raise LabError(
                "target-not-up",
                what="the receivers were not started",
                why="the lab's target does not run, and their addresses lie on its node's bridge",
                state="nothing was started",
                next="python -m lab.target up",
            )
        up()
    except LabError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write("".join(f"{SECURITY / name}.log\n" for name in SINKS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
