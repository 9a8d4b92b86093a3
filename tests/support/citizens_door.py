"""The door of a system on the loopback: answers over TLS what the release that is deployed would answer."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab.ca import Authority

ADDRESS = "127.0.0.42"


@contextlib.contextmanager
def door(folder: Path, host: str, status: Callable[[], int]) -> Iterator[Path]:
    """Serve `host` at `ADDRESS`:443 for as long as the block; yield the authority that signed for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = status() if self.headers.get("Host") == host else 421
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    authority = Authority(folder / "ca", "door of the loopback")
    certificate, key = authority.issue(host, (host,))
    (folder / "door.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "door.pem")
    server = ThreadingHTTPServer((ADDRESS, 443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield folder / "ca" / "ca.pem"
    finally:
        server.shutdown()
        server.server_close()
