"""A gate to test: real HAProxy and nftables in a network namespace, two HTTPS servers, keep-alive clients outside."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.source import hosts

HAPROXY: Final = ("haproxy",)
ROLE = Path(__file__).parents[2] / "playbooks" / "roles" / "gate"
HOST = "site.test.example"
OUTSIDE, INSIDE = "169.254.77.1", "169.254.77.2"

SERVER = """
import http.server, json, os, ssl, sys, time
side, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
log = open(f"{folder}/{side}.log", "a", buffering=1)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        begun = time.time()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.02)
        client = self.headers.get_all("X-Real-Ip")
        answer = json.dumps({"side": side, "id": self.headers["X-Id"], "bytes": len(body), "client": client}).encode()
        log.write(json.dumps([self.headers["X-Id"], begun, time.time()]) + "\\n")
        self.send_response(200); self.send_header("Content-Length", str(len(answer)))
        if os.path.exists(f"{folder}/closing"):
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(f"{folder}/site.pem")
server = Server(("", port), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""


def certificate(folder: Path) -> None:
    """Write site.pem (self-signed, with its key) and ca.pem (the same certificate)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "site.pem").write_bytes(public + private)
    (folder / "ca.pem").write_bytes(public)


class World:
    """A namespace with both servers in it, and the gate that the role's own files make."""

    def __init__(
        self, folder: Path, namespace: str, *, hold_seconds: int = 30, haproxy: tuple[str, ...] = HAPROXY
    ) -> None:
        self.folder, self.namespace, self.haproxy = folder, namespace, haproxy
        self.processes: list[subprocess.Popen[bytes]] = []
        self.settings: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
        self.settings |= {
            "gate_folder": str(folder / "gate"),
            "gate_state_folder": str(folder / "state"),
            "gate_socket": str(folder / "admin.sock"),
            "gate_target_address": "127.0.0.1:9443",
            "gate_hold_seconds": hold_seconds,
            "gate_connections_max": 500,
        }

    def inside(self, *words: str, background: bool = False) -> str:
        argv = ["nsenter", f"--net=/run/netns/{self.namespace}", *words]
        if background:
            self.processes.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
            return ""
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout

    def install(self) -> None:
        gate, state = self.folder / "gate", self.folder / "state"
        (gate / "certificates").mkdir(parents=True)
        state.mkdir()
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
        for name in ("haproxy.cfg", "gate.lua", "redirect.nft", "pass.nft", "gate.json"):
            template = environment.from_string((ROLE / "templates" / f"{name}.j2").read_text())
            (gate / name).write_text(template.render(self.settings))
        shutil.copy(ROLE / "files" / "wait.html", gate)
        shutil.copy(self.folder / "site.pem", gate / "certificates" / "site.pem")
        shutil.copy(self.folder / "ca.pem", gate / "target-ca.pem")
        for name in ("sites.map", "hosts.map", "leaving.map"):
            (state / name).touch()
        self.start()
        self.tool("add", "site", HOST)

    def start(self) -> None:
        (self.folder / "admin.sock").unlink(missing_ok=True)
        self.inside(*self.haproxy, "-db", "-f", str(self.folder / "gate" / "haproxy.cfg"), background=True)
        wait_until((self.folder / "admin.sock").exists)

    def take_over(self) -> None:
        """Redirect the public port to the gate and wait until nobody is left who came before it."""
        self.install()
        self.inside("nft", "-f", str(self.folder / "gate" / "redirect.nft"))
        (self.folder / "closing").touch()
        wait_until(lambda: self.tool("status")["direct_connections"] == 0)
        (self.folder / "closing").unlink()

    def tool(self, *words: str) -> dict[str, Any]:
        argv = [sys.executable, str(ROLE / "files" / "dcshift-gate"), "--folder", str(self.folder / "gate"), *words]
        answer: dict[str, Any] = json.loads(self.inside(*argv))
        return answer

    def served(self, side: str) -> list[tuple[str, float, float]]:
        lines = (self.folder / f"{side}.log").read_text().splitlines()
        return [tuple(json.loads(line)) for line in lines]


def wait_until(true: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextlib.contextmanager
def world(folder: Path, **settings: Any) -> Iterator[World]:
    namespace, wire = f"dcs-gate-{os.getpid()}", f"dcsg{os.getpid() % 100000}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, timeout=120)

    certificate(folder)
    (folder / "server.py").write_text(SERVER)
    ip("netns", "add", namespace)
    made = World(folder, namespace, **settings)
    try:
        ip("link", "add", wire, "type", "veth", "peer", "name", "inner", "netns", namespace)
        ip("addr", "add", f"{OUTSIDE}/30", "dev", wire)
        ip("link", "set", wire, "up")
        ip("-n", namespace, "addr", "add", f"{INSIDE}/30", "dev", "inner")
        for device in ("inner", "lo"):
            ip("-n", namespace, "link", "set", device, "up")
        for side, port in (("source", "443"), ("target", "9443")):
            made.inside(sys.executable, str(folder / "server.py"), side, port, str(folder), background=True)
            wait_until(lambda port=port: f":{port}" in made.inside("ss", "-Htln"))
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()
        ip("link", "delete", wire)  # at once: a namespace lets go of its devices some time after it is deleted
        ip("netns", "delete", namespace)


def haproxy_of_debian_11() -> tuple[str, ...]:
    """Return how to run the source hosts' own HAProxy here: with the loader and the libraries of their release."""
    roots = hosts.lowers("edge1")
    libraries = [root / folder for root in roots for folder in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
    loader = next(path for folder in libraries for path in folder.glob("ld-2.*.so"))
    program = next(path for root in roots if (path := root / "usr/sbin/haproxy").exists())
    return str(loader), "--library-path", ":".join(map(str, libraries)), str(program)


class Clients:
    """Keep-alive clients that never retry: each request's id, answer and times, or its error, are kept."""

    def __init__(self, folder: Path, count: int) -> None:
        self.context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.answers: list[tuple[str, int, str, float, float]] = []
        self.errors: list[str] = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self) -> Clients:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)

    def connect(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(HOST, timeout=50, context=self.context)
        connection._create_connection = lambda address, *rest: __import__("socket").create_connection(  # type: ignore[attr-defined]
            (INSIDE, address[1]), *rest
        )
        return connection

    def _run(self, number: int) -> None:
        connection, count = self.connect(), 0
        while not self.stopped.is_set():
            count += 1
            identity, begun = f"{number}-{count}", time.time()
            try:
                status, side = post(connection, identity)
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(f"{identity}: {error!r}")
                connection = self.connect()
                continue
            self.answers.append((identity, status, side, begun, time.time()))


def post(connection: http.client.HTTPSConnection, identity: str, size: int = 500) -> tuple[int, str]:
    connection.request("POST", "/", body=b"x" * size, headers={"X-Id": identity})
    answer = connection.getresponse()
    body = answer.read()
    return answer.status, json.loads(body)["side"] if answer.status == 200 else ""
