"""Send what applicants are to be told, all the time; it may run beside itself, and no notice is sent twice."""

import os
import signal
import tempfile
import threading
from pathlib import Path

from django.core.management.base import BaseCommand
from django.db import Error, connection

ALIVE = Path(tempfile.gettempdir()) / "portal-notices.alive"
"""Touched whenever it has looked for work: `notices-alive` reads its age."""
_IDLE_SECONDS = 1
# Sending is a row here, as the lab has no mail; a notice that another one holds is left to it.
_SEND = """
UPDATE dossiers_notice SET sent_at = now(), side = %s WHERE id IN (
    SELECT id FROM dossiers_notice WHERE sent_at IS NULL ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED
)
"""


class Command(BaseCommand):
    help = "Send notices until SIGTERM"

    def handle(self, *args, **options):
        stop = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: stop.set())
        while not stop.is_set():
            sent = self._send()
            if not sent:
                stop.wait(_IDLE_SECONDS)
        self.stdout.write("send_notices: stopped")

    def _send(self):
        try:
            with connection.cursor() as cursor:
                cursor.execute(_SEND, [os.environ.get("SIDE", "")])
                sent = cursor.rowcount
        except Error as away:
            # The database may be away for a while; who looks at the worker's life will see that it does not get on.
            self.stderr.write(f"send_notices: {away}")
            connection.close()
            return 0
        ALIVE.touch()
        if sent:
            self.stdout.write(f"send_notices: sent {sent}")
        return sent
