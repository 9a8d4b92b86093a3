"""A way to a server that can fall silent: it accepts whoever comes, hears what he says, and lets no answer through."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Stalling:
    """Passes everything on until so many bytes came from clients; then it is silent until `go_on`.

    What was heard in silence never arrives, and whoever spoke then has to come again.
    """

    def __init__(self, endpoint: str, after_bytes: int) -> None:
        there = urlsplit(endpoint)
        self._server, self._after = (str(there.hostname), int(there.port or 80)), after_bytes
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._lock = threading.Lock()
        self._passed, self._over = 0, False
        self.turned_away = 0
        """How many connections spoke in vain."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def silent(self) -> bool:
        with self._lock:
            return self._is_silent()

    def go_on(self) -> None:
        """Let through whoever comes from now on."""
        with self._lock:
            self._over = True

    def until(self, turned_away: int, seconds: float = 240.0) -> None:
        """Wait until so many connections spoke in vain."""
        end = time.monotonic() + seconds
        while self.turned_away < turned_away:
            assert time.monotonic() < end, self.turned_away
            time.sleep(0.02)

    def close(self) -> None:
        self._listening.close()

    def _is_silent(self) -> bool:
        return self._passed > self._after and not self._over

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                dead = threading.Event()
                for ours in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=(*ours, dead), daemon=True).start()

    def _pass(self, hearing: socket.socket, saying: socket.socket, of_client: bool, dead: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while said := hearing.recv(65536):
                if self._may_pass(len(said), of_client, dead):
                    saying.sendall(said)
        for end in (hearing, saying) if of_client else ():
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _may_pass(self, count: int, of_client: bool, dead: threading.Event) -> bool:
        with self._lock:
            self._passed += count if of_client and not dead.is_set() else 0
            if self._is_silent() and not dead.is_set():
                self.turned_away += 1
                dead.set()
            return not dead.is_set()


@contextmanager
def stalling(endpoint: str, after_bytes: int) -> Iterator[Stalling]:
    """Yield the way to a server, which ends with the block."""
    way = Stalling(endpoint, after_bytes)
    try:
        yield way
    finally:
        way.close()
