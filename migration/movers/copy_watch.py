"""Says every second how many bytes the copy has carried, and why it waits; it only asks the target's server."""

from __future__ import annotations

import threading

from migration.movers import copy, lines, link
from migration.movers.job import PostgresJob
from migration.movers.sparing import Sparing


class CopyWatch:
    """Runs beside the workers; progress is what the server counts, so it is true for every program that writes."""

    _QUERY = "SELECT coalesce(sum(bytes_processed), 0)::bigint FROM pg_stat_progress_copy"

    def __init__(self, job: PostgresJob, tables: list[copy.Table], sparing: Sparing) -> None:
        self._job, self._sparing = job, sparing
        self._total = sum(table.size_bytes for table in tables)
        self._done = 0
        self._rate = lines.Rate()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> CopyWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        lines.progress("rows", self._total, self._total, "bytes", self._rate.of(self._total))

    def finished(self, table: copy.Table) -> None:
        self._done += table.size_bytes

    def _run(self) -> None:
        with link.session(self._job.target, program=self._job.program) as target:
            counts = target.info.server_version >= 140000
            while not self._stop.wait(1.0):
                under_way = int(link.rows(target, self._QUERY)[0][0]) if counts else 0
                done = min(self._done + under_way, self._total)
                waits = self._sparing.waits()
                lines.progress("rows", done, self._total, "bytes", self._rate.of(done), waits=waits)
