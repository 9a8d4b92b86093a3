"""The application of the sample database, writing while it is moved."""

from __future__ import annotations

import time

import psycopg

from tests.support import local_servers as servers
from tests.support.application import Application

_TOUCH_LOG = """UPDATE access_log SET action = 'xem ' || action
    WHERE ctid = (SELECT ctid FROM access_log ORDER BY length(action), ctid LIMIT 1)"""


class Writer(Application):
    """An application: one transaction after another, each acknowledged one remembered, reconnecting when refused."""

    def __init__(self, server: servers.Server) -> None:
        self._server = server
        self.acknowledged: list[int] = []

    def must_come_back(self, seconds_max: float = 120.0) -> None:
        """Wait until it has written again: its session was ended, and somebody has let it in since."""
        before, deadline = len(self.acknowledged), time.monotonic() + seconds_max
        while len(self.acknowledged) < before + 20:
            assert time.monotonic() < deadline, "the application does not write"
            time.sleep(0.05)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._server.admin("portal", "portal") as connection:
                    self._write(connection)
            except psycopg.Error:
                time.sleep(0.01)

    def _write(self, connection: psycopg.Connection) -> None:
        while not self._stop.is_set():
            with connection.transaction():
                query = "INSERT INTO dossier (name, fee) VALUES ('mới', 2.50) RETURNING id"
                (number,) = connection.execute(query).fetchone()
                connection.execute("UPDATE dossier SET fee = fee + 1 WHERE id = %s", (1 + number % 500,))
                connection.execute("INSERT INTO event (dossier_id, note) VALUES (%s, 'nhận')", (number,))
                if number % 20 == 0:  # each followed change of a table without a key is a scan of the whole table
                    connection.execute(_TOUCH_LOG)
                connection.execute("DELETE FROM event WHERE id = %s", (number - 20000,))
            self.acknowledged.append(number)
            time.sleep(0.002)
