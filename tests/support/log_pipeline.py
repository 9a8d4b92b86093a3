"""Agent, relay, connector and two receivers of the real program on the loopback, with certificates of their own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalogue.province import LogEndpoint
from infra import naming
from infra import rsyslog as texts
from lab import rsyslog
from lab.ca import Authority, write_private
from lab.loopback import free_ports

OUTPUTS = {"agent": ["relay"], "relay": ["soc", "national"], "connector": ["national"]}
SOC, NATION, CLIENT = "soc.example", "nation.example", "dcshift"


_WHOLE = re.compile(r'.*"auditID": "(\d+)".*\}$')


def wait(what: str, check: Callable[[], bool], seconds: float = 120) -> float:
    """Return the seconds until it was so."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, f"{what} did not come about in {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


@dataclass
class Pipeline:
    """One folder with everything; `protocol` is that of the monitoring centre."""

    folder: Path
    protocol: str = "relp"
    queue: texts.Queue = field(default_factory=lambda: texts.Queue(lines=1_000_000, mebibytes=64))
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = dict(zip(("relay", "connector", "soc", "nation"), free_ports(4), strict=True))
        centre, outside = Authority(self.folder / "ca-centre", "centre"), Authority(self.folder / "ca-out", "outside")
        for name, authority, common in (
            ("agent", centre, naming.LOG_AGENT),
            ("relay", centre, naming.LOG_RELAY),
            ("connector", centre, naming.LOG_NATIONAL),
            ("soc", outside, SOC),
            ("nation", outside, NATION),
            ("client", outside, CLIENT),
            ("stranger", Authority(self.folder / "ca-stranger", "stranger"), CLIENT),
        ):
            self.certificate(name, authority, common)
        for name in ("soc", "nation"):
            protocol = self.protocol if name == "soc" else "syslog"
            file, own = self.folder / f"{name}.log", self.folder / name
            self.write(name, rsyslog.Sink("127.0.0.1", self.ports[name], protocol, own, CLIENT, file).configuration)
        self.write("relay", self.relay_text())
        nation = LogEndpoint(name=NATION, address="127.0.0.1", port=self.ports["nation"])
        self.write("connector", texts.connector(self.ports["connector"], nation, self.folders("connector")))
        for folder in ("logs", "pods/httt-portal-app_portal-web-1_uid/web", "pods/kube-system_dns_uid/dns"):
            (self.folder / folder).mkdir(parents=True)
        self.write("agent", texts.agent("127.0.0.1", self.ports["relay"], self.folders("agent")))

    def certificate(self, name: str, authority: Authority, common: str) -> None:
        certificate, key = authority.issue(common, [common])
        place = self.folder / name
        place.mkdir(exist_ok=True)
        (place / "tls.crt").write_text(certificate)
        (place / "ca.crt").write_text((authority.folder / "ca.pem").read_text())
        write_private(place / "tls.key", key.encode())

    def folders(self, name: str) -> texts.Folders:
        work = self.folder / f"{name}-work"
        run = self.folder / f"{name}-run"
        work.mkdir(exist_ok=True)
        run.mkdir(exist_ok=True)
        given, client = self.folder / "tables", str(self.folder / "client")
        given.mkdir(exist_ok=True)
        made = texts.tables(["secrets", "rolebindings"], {"httt-portal-app": "portal"})
        for file, text in made.items():
            (given / file).write_text(text)
        return texts.Folders(
            tls=str(self.folder / name),
            soc=client,
            national=client,
            tables=str(given),
            work=str(work),
            run=str(run),
            audit=str(self.folder / "logs"),
            pods=str(self.folder / "pods"),
        )

    def relay_text(self) -> str:
        soc = LogEndpoint(name=SOC, address="127.0.0.1", port=self.ports["soc"], protocol=self.protocol)  # type: ignore[arg-type]
        told = texts.Connector('"127.0.0.1"', self.ports["connector"])
        return texts.relay(self.ports["relay"], soc, told, self.queue, self.folders("relay"))

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.conf").write_text(text)

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Let the program itself judge a configuration."""
        argv = rsyslog.argv(self.folder / f"{name}.conf", "-N1")
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=self._environment())

    def start(self, *names: str) -> None:
        for name in names:
            with (self.folder / f"{name}.out").open("ab") as out:
                argv = self._argv(name)
                self.running[name] = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._environment()
                )
            if name in self.ports:
                wait(f"{name}'s port", lambda name=name: _listens(self.ports[name]))  # type: ignore[misc]

    def _argv(self, name: str) -> Sequence[str]:
        argv = rsyslog.argv(self.folder / f"{name}.conf")
        if name not in OUTPUTS:
            return argv
        return ("/bin/sh", "-c", texts.starting(OUTPUTS[name], self.folders(name)), name, *argv)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "NODE_NAME": "node1"}

    def healthy(self, name: str) -> bool:
        return subprocess.run(["/bin/sh", "-c", texts.health(self.folders(name))], check=False).returncode == 0

    def kill(self, name: str) -> None:
        """End it as a power cut would."""
        process = self.running.pop(name)
        process.kill()
        process.wait(120)

    def stop(self, name: str) -> None:
        process = self.running.pop(name)
        process.terminate()
        process.wait(120)

    def stop_all(self) -> None:
        for name in list(self.running):
            self.kill(name)

    def append(self, lines: Sequence[str], file: str = "logs/audit.log") -> None:
        with (self.folder / file).open("a") as out:
            out.writelines(f"{line}\n" for line in lines)

    def received(self, name: str = "soc") -> list[str]:
        file = self.folder / f"{name}.log"
        return file.read_text(errors="replace").splitlines() if file.exists() else []

    def numbers(self, name: str = "soc") -> list[int]:
        """Return the numbers of the events that arrived whole, in order."""
        # The last line may still be on its way to the file.
        return [int(found[1]) for line in self.received(name) if (found := _WHOLE.search(line))]


def event(number: int, **more: object) -> str:
    """Return an event of the audit log as the API server writes it."""
    fields = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": str(number),
        "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/httt-portal-app/secrets/portal-web",
        "verb": "get", "user": {"username": "nguyen.van.a", "groups": ["portal-viewers"]}, "sourceIPs": ["10.1.2.3"],
        "objectRef": {"resource": "secrets", "namespace": "httt-portal-app", "name": "portal-web"},
        "responseStatus": {"metadata": {}, "code": 200},
    }  # fmt: skip
    return json.dumps({**fields, **more})


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
