"""Debian trixie's rsyslog: the root folder of the log images, and the same program run here without an image.

It installs nothing on this machine: the loader and the libraries are the folder's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.rootfs import base

PACKAGES: Final = ("rsyslog", "rsyslog-openssl", "rsyslog-relp")


def root() -> Path:
    """Return a Debian root folder with rsyslog, built once (about a minute)."""
    return base("trixie", PACKAGES, "rsyslog")


def argv(configuration: Path, *flags: str) -> tuple[str, ...]:
    """Return the command line that runs rsyslog in the foreground under a configuration; `-N1` checks it and ends.

    Raises `LabError` if the folder lacks the program.
    """
    modules = next(root().glob("usr/lib/*/rsyslog"), None)
    loader = next(root().glob("lib64/ld-linux-*.so.*"), None) or next(root().glob("lib/ld-linux-*.so.*"), None)
    if modules is None or loader is None:
        raise LabError(
            "rsyslog-missing",
            what="rsyslog cannot be run",
            why=f"{root()} has no loader or no modules of rsyslog",
            state="nothing was started",
            next=f"rm -rf {root()}, then make setup",
        )
    words = (str(loader), "--library-path", f"{modules.parent}:{modules}", str(root() / "usr/sbin/rsyslogd"))
    return (*words, "-n", "-iNONE", "-M", str(modules), "-f", str(configuration), *flags)


def sink(port: int, protocol: str, address: str, folder: Path, peers: Sequence[str], lines: Path) -> str:
    """Return the configuration of a monitoring centre: it takes lines from these peers only and writes them to a file.

    `folder` holds its ca.crt, tls.crt and tls.key.
    """
    named = ", ".join(f'"{peer}"' for peer in peers)
    if protocol == "relp":
        taking = f"""module(load="imrelp")
input(type="imrelp" address="{address}" port="{port}" ruleset="in" maxDataSize="128k" tls="on" tls.authMode="name"
  tls.caCert="{folder}/ca.crt" tls.myCert="{folder}/tls.crt" tls.myPrivKey="{folder}/tls.key"
  tls.permittedPeer=[{named}])"""
    else:
        taking = f"""module(load="imtcp")
input(type="imtcp" address="{address}" port="{port}" ruleset="in" streamDriver.name="ossl" streamDriver.mode="1"
  streamDriver.authMode="x509/name" permittedPeer=[{named}] streamDriver.caFile="{folder}/ca.crt"
  streamDriver.certFile="{folder}/tls.crt" streamDriver.keyFile="{folder}/tls.key")"""
    return f"""global(workDirectory="{lines.parent}" maxMessageSize="128k" defaultNetstreamDriver="ossl")
template(name="line" type="string" string="%TIMEREPORTED:::date-rfc3339% %HOSTNAME% %APP-NAME% %msg%\\n")
# Direct and without a buffer: a line that was taken is in the file.
ruleset(name="in" queue.type="Direct") {{
  action(type="omfile" file="{lines}" template="line" asyncWriting="off" flushOnTXEnd="on" ioBufferSize="128k")
}}
{taking}
"""
