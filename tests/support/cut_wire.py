"""A wire that is cut: every packet to and from one port of this machine is lost, and neither end is told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lab.command import run


@contextlib.contextmanager
def cut(port: int) -> Iterator[None]:
    """Lose what goes to or comes from a port of the loopback inside of this.

    A proxy that passes nothing on would not do: its kernel would go on acknowledging what it never delivers.
    """
    table = f"dcshift_cut_{os.getpid()}_{port}"
    lost = f'iifname "lo" tcp dport {port} drop\n iifname "lo" tcp sport {port} drop\n'
    rules = f"table ip {table} {{\n chain lost {{\n type filter hook input priority -150;\n {lost} }}\n}}\n"
    run(["nft", "-f", "-"], input=rules)
    try:
        yield
    finally:
        run(["nft", "delete", "table", "ip", table])
