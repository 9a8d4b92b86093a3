"""Debian trixie's rsyslog: the root folder of the log images, and the same program run here without an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab import debian
from lab.rootfs import base

PACKAGES: Final = ("rsyslog", "rsyslog-openssl", "rsyslog-relp")


def root() -> Path:
    """Return a Debian root folder with rsyslog, built once (about a minute)."""
    return base("trixie", PACKAGES, "rsyslog")


def argv(configuration: Path, *flags: str) -> tuple[str, ...]:
    """Return the command line that runs rsyslog in the foreground under a configuration; `-N1` checks it and ends.

    Raises `LabError` if the folder lacks the program.
    """
    folder = root()
    modules = next(folder.glob("usr/lib/*/rsyslog"), folder / "usr/lib/rsyslog")
    words = debian.argv(folder, "usr/sbin/rsyslogd", modules)
    return (*words, "-n", "-iNONE", "-M", str(modules), "-f", str(configuration), *flags)


@dataclass(frozen=True, slots=True)
class Sink:
    """A monitoring centre: it takes lines over TLS from one named client and writes them to a file."""

    address: str
    port: int
    protocol: str
    folder: Path
    """Its ca.crt, tls.crt and tls.key."""
    client: str
    lines: Path

    @property
    def configuration(self) -> str:
        files = self.folder
        if self.protocol == "relp":
            taking = f"""module(load="imrelp")
input(type="imrelp" address="{self.address}" port="{self.port}" ruleset="in" maxDataSize="128k" tls="on"
  tls.authMode="name" tls.permittedPeer=["{self.client}"]
  tls.caCert="{files}/ca.crt" tls.myCert="{files}/tls.crt" tls.myPrivKey="{files}/tls.key")"""
        else:
            taking = f"""module(load="imtcp")
input(type="imtcp" address="{self.address}" port="{self.port}" ruleset="in" streamDriver.name="ossl"
  streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["{self.client}"]
  streamDriver.caFile="{files}/ca.crt" streamDriver.certFile="{files}/tls.crt"
  streamDriver.keyFile="{files}/tls.key")"""
        return f"""global(workDirectory="{self.lines.parent}" maxMessageSize="128k" defaultNetstreamDriver="ossl")
template(name="line" type="string" string="%TIMEREPORTED:::date-rfc3339% %HOSTNAME% %APP-NAME% %msg%\\n")
# Direct and without a buffer: a line that was taken is in the file.
ruleset(name="in" queue.type="Direct") {{
  action(type="omfile" file="{self.lines}" template="line" asyncWriting="off" flushOnTXEnd="on")
}}
{taking}
"""
