"""A store that accepts wrong checksums: a small server before a true one, which keeps other bytes than it was sent."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from migration.movers.s3 import Bucket

MARK = 0x51
"""The mark of the lying store's own connections, by which a packet filter tells them from everybody else's."""


class _TrueStore(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        self.sock.settimeout(120)
        self.sock.connect((self.host, self.port))


class _Liar(BaseHTTPRequestHandler):
    """Passes everything on; what the true store refuses for its checksum is called written."""

    protocol_version = "HTTP/1.1"
    true: Bucket
    """The true store with its administrator's keys; its name is not used."""
    lies: list[str]

    def log_message(self, format: str, *args: object) -> None:
        return

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, headers, answer = self._ask(self.command, self.path, body, dict(self.headers.items()))
        checked = any(name.lower().startswith(("content-md5", "x-amz-checksum-")) for name in self.headers)
        if self.command == "PUT" and 400 <= status < 500 and checked:
            self.lies.append(self.path)
            self._keep_other_bytes(body)
            tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            status, headers, answer = 200, [("etag", f'"{tag}"')], b""
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(answer))
        self.send_header("content-length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _serve  # noqa: N815  the standard library's names

    def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        place = urlsplit(self.true.endpoint)
        connection = _TrueStore(place.hostname or "", place.port)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _keep_other_bytes(self, body: bytes) -> None:
        other = body[:-1] + b"?"
        headers = self.true._signed("PUT", self.path, other, {})
        status, _, answer = self._ask("PUT", self.path, other, {**headers, "content-length": str(len(other))})
        assert status == 200, answer


@contextlib.contextmanager
def lying_before(true: Bucket) -> Iterator[tuple[int, list[str]]]:
    """Serve lies on a port of this machine; yields the port and the paths that were lied about."""
    lies: list[str] = []
    server = ThreadingHTTPServer(("0.0.0.0", 0), type("Liar", (_Liar,), {"lies": lies, "true": true}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, lies
    finally:
        server.shutdown()
        server.server_close()
